// Encoding rows and queries for the scan, and the portable scan, which is the oracle. Bounds are
// rounded outwards: a wrong row among the hits costs time, a missing one would be an error.
#include "scan_kernels.h"

#include <math.h>

#include "layout.h"
#include "tables.h"

#pragma STDC FP_CONTRACT OFF

enum { ROWS = 16 };

static size_t groups_of(size_t columns) { return (columns + 3) / 4; }

size_t martlet_scan_tile_bytes(size_t columns) {
  return groups_of(columns) * 4 * ROWS + 4 * ROWS * sizeof(float);
}

// At least x, and as a float: the factor covers the rounding of sums before it.
static float upward(double x) { return nextafterf((float)(x * (1 + 1e-6)), INFINITY); }

static float scale_of(const float *x, size_t columns) {
  float largest = 0;
  for (size_t i = 0; i < columns; i++) largest = fmaxf(largest, fabsf(x[i]));
  return largest / 127;
}

static int code_of(float x, float scale) {
  float code = scale > 0 ? rintf(x / scale) : 0;
  return (int)fmaxf(-127, fminf(127, code));
}

void martlet_scan_encode(const float *x, size_t columns, size_t row, uint8_t *tile) {
  float scale = scale_of(x, columns);
  double error = 0, exact = 0, coded = 0;
  for (size_t i = 0; i < 4 * groups_of(columns); i++) {
    int code = i < columns ? code_of(x[i], scale) : 0;
    tile[i / 4 * 4 * ROWS + 4 * row + i % 4] = (uint8_t)(code + 128);
    if (i >= columns) continue;
    double value = (double)scale * code, difference = x[i] - value;
    error += difference * difference;
    exact += (double)x[i] * x[i];
    coded += value * value;
  }
  float *numbers = (float *)(tile + groups_of(columns) * 4 * ROWS) + row;
  numbers[0] = scale;
  numbers[ROWS] = upward(sqrt(error));
  numbers[2 * ROWS] = upward(sqrt(fmax(exact, coded)));
  numbers[3 * ROWS] = (float)exact;
}

float martlet_scan_encode_query(const float *x, size_t columns, int8_t *codes) {
  float scale = scale_of(x, columns);
  for (size_t i = 0; i < 4 * groups_of(columns); i++) {
    codes[i] = (int8_t)(i < columns ? code_of(x[i], scale) : 0);
  }
  return scale;
}

static void scan_tile(const martlet_scan *scan, size_t tile, size_t q) {
  const martlet_scan_query *query = &scan->queries[q];
  size_t groups = groups_of(scan->columns);
  const uint8_t *codes = scan->tiles + tile * martlet_scan_tile_bytes(scan->columns);
  const float *numbers = (const float *)(codes + groups * 4 * ROWS);
  uint32_t allowed = scan->allowed ? scan->allowed[tile] : 0xffff;
  for (size_t row = 0; row < ROWS; row++) {
    if (!(allowed >> row & 1)) continue;
    uint32_t sum = 0;  // wraps on the way, not in the end
    for (size_t i = 0; i < 4 * groups; i++) {
      sum += (uint32_t)(codes[i / 4 * 4 * ROWS + 4 * row + i % 4] * query->codes[i]);
    }
    float product = (float)(int32_t)(sum - (uint32_t)query->code_sum);
    float estimate = product * (numbers[row] * query->scale) -
                     query->square_weight * numbers[3 * ROWS + row];
    float slack = ((query->error_weight * numbers[ROWS + row] +
                    query->norm_weight * numbers[2 * ROWS + row]) +
                   query->square_slack * numbers[3 * ROWS + row]) + query->slack;
    if (!(estimate + slack >= query->threshold)) continue;
    scan->hits[q * ROWS * scan->tile_count + scan->hit_counts[q]++] = (martlet_scan_hit){
        .row = (uint32_t)(ROWS * tile + row),
        .lower = estimate - slack,
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
