// Encoding rows and queries for the scan, and the portable scan, which is the oracle. Bounds are
// rounded outwards: a wrong row among the hits costs time, a missing one would be an error.
#include "scan_kernels.h"

#include <math.h>

#include "layout.h"
#include "scalar_math.h"
#include "tables.h"

#pragma STDC FP_CONTRACT OFF

enum { ROWS = 16 };

// Those of the least squared error for a normal distribution, which the values of most embeddings
// are close to; 127 is 2.733 standard deviations.
const int8_t martlet_scan_levels[16] = {-127, -96, -75, -58, -44, -31, -18, -6,
                                        6,    18,  31,  44,  58,  75,  96,  127};
static const float OUTERMOST = 2.733f;

static size_t lines_of(martlet_scan_codes format, size_t columns) {
  return divide_up(columns, format == MARTLET_SCAN_FINE ? 4 : 8);
}

static size_t code_bytes(martlet_scan_codes format, size_t columns) {
  return lines_of(format, columns) * 4 * ROWS;
}

size_t martlet_scan_tile_bytes(martlet_scan_codes format, size_t columns) {
  size_t number = format == MARTLET_SCAN_FINE ? sizeof(float) : sizeof(uint16_t);
  return code_bytes(format, columns) + 4 * ROWS * number;
}

// At least x, and as a float: the factor covers the rounding of sums before it.
static float upward(double x) { return nextafterf((float)(x * (1 + 1e-6)), INFINITY); }

// The least bfloat16 that is not below x, which is not negative.
static uint16_t bfloat_upward(float x) { return (uint16_t)((bits_of(x) + 0xffff) >> 16); }

// What a row is like once its scale is decided: |x - x'|^2, |x|^2, |x'|^2.
typedef struct {
  double error, exact, coded;
} row_sums;

enum { LANES = 8 };

// Adds some values; sums may be in any order.
static void add_values(row_sums *sums, const float *x, size_t count, float scale,
                       const int8_t *levels) {
#pragma clang fp reassociate(on)
  row_sums own = {0};
  for (size_t i = 0; i < count; i++) {
    double value = (double)scale * levels[i], difference = x[i] - value;
    own.error += difference * difference;
    own.exact += (double)x[i] * x[i];
    own.coded += value * value;
  }
  sums->error += own.error;
  sums->exact += own.exact;
  sums->coded += own.coded;
}

static float largest_of(const float *x, size_t columns) {
  float largest = 0;
  for (size_t i = 0; i < columns; i++) largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
  return largest;
}

// MARK: 8 bits

// To the nearest integer, ties to even; added to this, values below 2^22 lose what is behind the point.
static int level_of(float x, float scale) {
  const float integers = 0x1.8p23f;
  float level = scale > 0 ? x / scale : 0;
  level = level > 127 ? 127 : level < -127 ? -127 : level;
  return (int)(level + integers - integers);
}

static void encode_fine(const float *x, size_t columns, size_t row, uint8_t *tile) {
  float scale = largest_of(x, columns) / 127;
  row_sums sums = {0};
  for (size_t first = 0; first < columns; first += 4) {
    size_t count = columns - first < 4 ? columns - first : 4;
    float values[4] = {0};
    int8_t levels[4];
    memcpy(values, x + first, count * sizeof(float));
    for (size_t i = 0; i < 4; i++) levels[i] = (int8_t)level_of(values[i], scale);
    add_values(&sums, values, 4, scale, levels);
    uint8_t *four = tile + first * ROWS + 4 * row;
    for (size_t i = 0; i < 4; i++) four[i] = (uint8_t)(levels[i] + 128);
  }
  float *numbers = (float *)(tile + code_bytes(MARTLET_SCAN_FINE, columns)) + row;
  numbers[0] = scale;
  numbers[ROWS] = upward(sqrt(sums.error));
  numbers[2 * ROWS] = upward(sqrt(fmax(sums.exact, sums.coded)));
  numbers[3 * ROWS] = (float)sums.exact;
}

float martlet_scan_encode_query(const float *x, size_t columns, int8_t *codes) {
  float scale = largest_of(x, columns) / 127;
  for (size_t i = 0; i < 8 * divide_up(columns, 8); i++) {
    codes[i] = (int8_t)(i < columns ? level_of(x[i], scale) : 0);
  }
  return scale;
}

// MARK: 4 bits

// The level nearest to x, by the midpoints that are passed, which suits vectors of lanes: its code, and
// its value.
static uint8_t coarse_code(float x) {
  float m = fabsf(x);
  int passed = (m > 12) + (m > 24.5f) + (m > 37.5f) + (m > 51) + (m > 66.5f) + (m > 85.5f) +
               (m > 111.5f);
  return (uint8_t)(x < 0 ? 7 - passed : 8 + passed);
}

static float coarse_level(float x) {
  float m = fabsf(x), level = 6;
  level += m > 12 ? 12 : 0;
  level += m > 24.5f ? 13 : 0;
  level += m > 37.5f ? 13 : 0;
  level += m > 51 ? 14 : 0;
  level += m > 66.5f ? 17 : 0;
  level += m > 85.5f ? 21 : 0;
  level += m > 111.5f ? 31 : 0;
  return copysignf(level, x);
}

// A scale for which levels are near the values: first as if they were distributed normally, then the
// best one for the levels that this gives. Finite, and a bfloat16.
static float coarse_scale(const float *x, size_t columns) {
#pragma clang fp reassociate(on)
  float largest = largest_of(x, columns);
  if (!(largest > 0x1p-100f)) return 0;
  float down = 1 / largest, square = 0;
  for (size_t i = 0; i < columns; i++) square += x[i] * down * (x[i] * down);
  float spread = fminf(1, OUTERMOST * sqrtf(square / (float)columns));
  float inverse = down * 127 / spread, product = 0, levels = 0;
  for (size_t i = 0; i < columns; i++) {
    float level = coarse_level(x[i] * inverse);
    product += x[i] * down * level;
    levels += level * level;
  }
  return bfloat_to_float(float_to_bfloat(product / levels * largest));
}

static void encode_coarse(const float *x, size_t columns, size_t row, uint8_t *tile) {
  float scale = coarse_scale(x, columns), inverse = scale > 0 ? 1 / scale : 0;
  row_sums sums = {0};
  for (size_t first = 0; first < columns; first += LANES) {
    size_t count = columns - first < LANES ? columns - first : LANES;
    float values[LANES] = {0};
    uint8_t codes[LANES];
    int8_t levels[LANES];
    memcpy(values, x + first, count * sizeof(float));
    for (size_t i = 0; i < LANES; i++) codes[i] = coarse_code(values[i] * inverse);
    for (size_t i = 0; i < LANES; i++) levels[i] = martlet_scan_levels[codes[i]];
    if (count == LANES) add_values(&sums, values, LANES, scale, levels);
    else add_values(&sums, values, count, scale, levels);
    uint8_t *two = tile + first / LANES * 4 * ROWS + 4 * row;
    for (size_t i = 0; i < 4; i++) two[i] = (uint8_t)(codes[i] | codes[4 + i] << 4);
  }
  uint16_t *numbers = (uint16_t *)(tile + code_bytes(MARTLET_SCAN_COARSE, columns)) + row;
  numbers[0] = float_to_bfloat(scale);
  numbers[ROWS] = bfloat_upward(upward(sqrt(sums.error)));
  numbers[2 * ROWS] = bfloat_upward(upward(sqrt(fmax(sums.exact, sums.coded))));
  numbers[3 * ROWS] = float_to_bfloat((float)sums.exact);
}

void martlet_scan_encode(martlet_scan_codes format, const float *x, size_t columns, size_t row,
                         uint8_t *tile) {
  (format == MARTLET_SCAN_FINE ? encode_fine : encode_coarse)(x, columns, row, tile);
}

// MARK: The scan

// A level + 128.
static int offset_level(martlet_scan_codes format, const uint8_t *tile, size_t row, size_t i) {
  if (format == MARTLET_SCAN_FINE) return tile[i / 4 * 4 * ROWS + 4 * row + i % 4];
  uint8_t two = tile[i / 8 * 4 * ROWS + 4 * row + i % 4];
  return martlet_scan_levels[i % 8 < 4 ? two & 15 : two >> 4] + 128;
}

static void scan_tile(const martlet_scan *scan, size_t tile, size_t q) {
  const martlet_scan_query *query = &scan->queries[q];
  bool fine = scan->format == MARTLET_SCAN_FINE;
  const uint8_t *codes = scan->tiles + tile * martlet_scan_tile_bytes(scan->format, scan->columns);
  const void *numbers = codes + code_bytes(scan->format, scan->columns);
  uint32_t allowed = scan->allowed ? scan->allowed[tile] : 0xffff;
  for (size_t row = 0; row < ROWS; row++) {
    if (!(allowed >> row & 1)) continue;
    uint32_t sum = 0;  // wraps on the way, not in the end
    for (size_t i = 0; i < scan->columns; i++) {
      sum += (uint32_t)(offset_level(scan->format, codes, row, i) * query->codes[i]);
    }
    float number[4];
    for (size_t i = 0; i < 4; i++) {
      number[i] = fine ? ((const float *)numbers)[ROWS * i + row]
                       : bfloat_to_float(((const uint16_t *)numbers)[ROWS * i + row]);
    }
    float product = (float)(int32_t)(sum - (uint32_t)query->code_sum);
    float estimate = product * (number[0] * query->scale) - query->square_weight * number[3];
    float slack = ((query->error_weight * number[1] + query->norm_weight * number[2]) +
                   query->square_slack * number[3]) + query->slack;
    if (!(estimate + slack >= scan->thresholds[q])) continue;
    scan->hits[q * ROWS * scan->tile_count + scan->hit_counts[q]++] = (martlet_scan_hit){
        .row = (uint32_t)(ROWS * tile + row),
        .estimate = estimate,
        .upper = estimate + slack,
    };
  }
}

void portable_scan(const martlet_scan *scan) {
  for (size_t q = 0; q < scan->query_count; q++) {
    scan->hit_counts[q] = 0;
    for (size_t tile = 0; tile < scan->tile_count; tile++) scan_tile(scan, tile, q);
  }
}
