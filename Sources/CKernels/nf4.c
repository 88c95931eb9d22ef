// nf4 as bitsandbytes quantises on the CPU, equal to it bit for bit: codes by midpoints with ties
// to the lower code, absmax of blocks of 64, and double quantisation of the absmax values. The
// product is elsewhere. NaN and infinity give some code, never a fault.
#include "layout.h"
#include "scalar_math.h"

// codes[i] = how many midpoints lie below x[i] (all 15 below NaN): without branches, so that the
// compiler can make vectors of it.
static void nf4_codes(const float *x, size_t n, const float midpoints[15], uint8_t *codes) {
  uint32_t below[MARTLET_NF4_BLOCK] = {0};
  for (int m = 0; m < 15; m++) {
    for (size_t i = 0; i < n; i++) below[i] += !(x[i] <= midpoints[m]);
  }
  for (size_t i = 0; i < n; i++) codes[i] = (uint8_t)below[i];
}

static float peak_of(const float *x, size_t n) {
  float peak = 0;
  for (size_t i = 0; i < n; i++) peak = fabsf(x[i]) > peak ? fabsf(x[i]) : peak;
  return peak;
}

static float clamp_to_one(float x) { return x < -1.0f ? -1.0f : x > 1.0f ? 1.0f : x; }

void martlet_nf4_quantize(const float *x, size_t n, uint8_t *codes, float *absmax) {
  float midpoints[15];
  for (int i = 0; i < 15; i++) {
    midpoints[i] = (martlet_nf4_values[i] + martlet_nf4_values[i + 1]) / 2;
  }
  for (size_t first = 0, b = 0; first < n; first += MARTLET_NF4_BLOCK, b++) {
    size_t count = smaller(MARTLET_NF4_BLOCK, n - first);
    float peak = peak_of(x + first, count), least = peak < 1e-38f ? 1e-38f : peak;
    bool whole = count == MARTLET_NF4_BLOCK;
    absmax[b] = whole ? peak : least;
    // bitsandbytes multiplies whole blocks by the inverse but divides a short last one.
    float inverse = 1.0f / least, scaled[MARTLET_NF4_BLOCK];
    for (size_t i = 0; i < count; i++) {
      scaled[i] = clamp_to_one(whole ? x[first + i] * inverse : x[first + i] / least);
    }
    nf4_codes(scaled, count, midpoints, codes + first);
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
  if (n < LANES) {  // four side by side, without lanes
    for (int k = 0; k < SIDE; k++) sums[k] = n < SIDE ? 0 : x[k];
    for (size_t i = n / SIDE * SIDE; i < n; i++) sums[0] += x[i];
    return (((sums[0] + sums[1]) + sums[2]) + sums[3]) / (float)n;
  }
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

// The entry of the dynamic map for x in -1...1: bitsandbytes rounds x to one of 65,536 steps, then
// takes the nearest entry, ties to the lower one. NaN gets code 0.
static uint8_t dynamic_code(float x) {
  if (!(x >= -1.0f)) return 0;
  const float *map = martlet_dynamic_map;
  float nearest_step = (float)(int32_t)((x + 1.0f) * 32767.5f + 0.5f);
  float value = nearest_step / 32767.5f - 1.0f;
  int low = 0, high = 255;  // the first midpoint that is not below
  while (low < high) {
    int middle = (low + high) / 2;
    if ((map[middle] + map[middle + 1]) / 2 >= value) high = middle;
    else low = middle + 1;
  }
  return (uint8_t)low;
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
    float inverse = 1.0f / peak;
    for (size_t i = first; i < end; i++) {
      float scaled = clamp_to_one((absmax[i] - *offset) * inverse);
      codes[i] = peak == 0 ? 0 : dynamic_code(scaled);
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
