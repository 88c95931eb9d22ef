// nf4 as bitsandbytes quantises on the CPU, equal to it bit for bit: codes by midpoints with ties to
// the lower code, absmax of blocks of 64, and double quantisation of the absmax values. The product
// is elsewhere. NaN and infinity give some code, never a fault.
#include "layout.h"
#include "scalar_math.h"

// The index of the first midpoint that is not below x (bisection; NaN ends at the last code).
static uint8_t nf4_code(float x, const float midpoints[15]) {
  int low = 0, high = 15;
  while (low < high) {
    int middle = (low + high) / 2;
    if (midpoints[middle] >= x) high = middle;
    else low = middle + 1;
  }
  return (uint8_t)low;
}

static float peak_of(const float *x, size_t n) {
  float peak = 0;
  for (size_t i = 0; i < n; i++) peak = fabsf(x[i]) > peak ? fabsf(x[i]) : peak;
  return peak;
}

static float clamp_to_one(float x) { return x < -1.0f ? -1.0f : x > 1.0f ? 1.0f : x; }

void martlet_nf4_quantize(const float *x, size_t n, uint8_t *codes, float *absmax) {
  float midpoints[15];
  for (int i = 0; i < 15; i++) midpoints[i] = (martlet_nf4_values[i] + martlet_nf4_values[i + 1]) / 2;
  for (size_t first = 0, b = 0; first < n; first += MARTLET_NF4_BLOCK, b++) {
    size_t count = smaller(MARTLET_NF4_BLOCK, n - first);
    float peak = peak_of(x + first, count), least = peak < 1e-38f ? 1e-38f : peak;
    bool whole = count == MARTLET_NF4_BLOCK;
    absmax[b] = whole ? peak : least;
    float inverse = 1.0f / least;
    for (size_t i = first; i < first + count; i++) {
      // bitsandbytes multiplies whole blocks by the inverse but divides a short last one.
      codes[i] = nf4_code(clamp_to_one(whole ? x[i] * inverse : x[i] / least), midpoints);
    }
  }
}

void martlet_nf4_dequantize(const uint8_t *codes, const float *absmax, size_t n, float *y) {
  for (size_t i = 0; i < n; i++) {
    y[i] = martlet_nf4_values[codes[i] & 15] * absmax[i / MARTLET_NF4_BLOCK];
  }
}

// The mean in the order in which PyTorch adds a contiguous float tensor on one thread: vectors of 8
// lanes, four of them side by side, in a cascade of four levels that keeps rounding errors small;
// then the lanes one after the other.
enum { LANES = 8, SIDE = 4, LEVELS = 4, ACROSS = LANES * SIDE };

static size_t cascade_power(size_t rows) {
  size_t log2 = 0;
  while (((size_t)1 << log2) < rows) log2++;
  return log2 / LEVELS > 4 ? log2 / LEVELS : 4;
}

static void cascade_sum(const float *x, size_t rows, float sums[ACROSS]) {
  float level[LEVELS][ACROSS] = {{0}};
  size_t power = cascade_power(rows), step = (size_t)1 << power, i = 0;
  while (i + step <= rows) {
    for (size_t end = i + step; i < end; i++) {
      for (int k = 0; k < ACROSS; k++) level[0][k] += x[i * ACROSS + (size_t)k];
    }
    for (int l = 1; l < LEVELS; l++) {
      for (int k = 0; k < ACROSS; k++) {
        level[l][k] += level[l - 1][k];
        level[l - 1][k] = 0;
      }
      if (i & ((step - 1) << ((size_t)l * power))) break;
    }
  }
  for (; i < rows; i++) {
    for (int k = 0; k < ACROSS; k++) level[0][k] += x[i * ACROSS + (size_t)k];
  }
  for (int l = 1; l < LEVELS; l++) {
    for (int k = 0; k < ACROSS; k++) level[0][k] += level[l][k];
  }
  for (int k = 0; k < ACROSS; k++) sums[k] = level[0][k];
}

static float pytorch_mean(const float *x, size_t n) {
  float sums[ACROSS], sum = 0;
  size_t vectors = n / LANES, rows = vectors / SIDE;
  cascade_sum(x, rows, sums);
  for (size_t v = rows * SIDE; v < vectors; v++) {
    for (size_t k = 0; k < LANES; k++) sums[k] += x[v * LANES + k];
  }
  for (int side = 1; side < SIDE; side++) {
    for (int k = 0; k < LANES; k++) sums[k] += sums[side * LANES + k];
  }
  for (size_t i = vectors * LANES; i < n; i++) sum += x[i];
  for (int k = 0; k < LANES; k++) sum += sums[k];
  return sum / (float)n;
}

// The nearest entry of the dynamic map, ties to the lower one.
static uint8_t dynamic_code(float x) {
  const float *map = martlet_dynamic_map;
  int low = 0, high = 256;
  while (low < high) {
    int middle = (low + high) / 2;
    if (map[middle] >= x) high = middle;
    else low = middle + 1;
  }
  if (low == 0) return 0;
  if (low == 256) return 255;
  return (uint8_t)(map[low] - x < x - map[low - 1] ? low : low - 1);
}

void martlet_nf4_compress(const float *absmax, size_t n, uint8_t *codes, float *nested_absmax,
                          float *offset) {
  *offset = n ? pytorch_mean(absmax, n) : 0;
  for (size_t first = 0; first < n; first += MARTLET_NF4_NESTED_BLOCK) {
    size_t end = smaller(first + MARTLET_NF4_NESTED_BLOCK, n);
    float peak = 0;
    for (size_t i = first; i < end; i++) {
      float magnitude = fabsf(absmax[i] - *offset);
      peak = magnitude > peak ? magnitude : peak;
    }
    nested_absmax[first / MARTLET_NF4_NESTED_BLOCK] = peak;
    float inverse = peak > 0 ? 1.0f / peak : 0;
    for (size_t i = first; i < end; i++) {
      codes[i] = dynamic_code(clamp_to_one((absmax[i] - *offset) * inverse));
    }
  }
}

void martlet_nf4_expand(const uint8_t *codes, const float *map, const float *nested_absmax,
                        float offset, size_t first, size_t n, float *absmax) {
  for (size_t i = 0; i < n; i++) {
    float scaled = map[codes[i]] * nested_absmax[(first + i) / MARTLET_NF4_NESTED_BLOCK];
    absmax[i] = scaled + offset;
  }
}
