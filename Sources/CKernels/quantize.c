// Quantisers of groups of 32 and float conversions in plain C: the oracle. int4 looks for the scale
// with the least weighted error; int8 takes the largest magnitude, which is near the best already.
#include <string.h>

#include "layout.h"
#include "scalar_math.h"
#include "tables.h"

void portable_half_to_float(const uint16_t *x, size_t n, float *y) {
  for (size_t i = 0; i < n; i++) y[i] = half_to_float(x[i]);
}

void portable_float_to_half(const float *x, size_t n, uint16_t *y) {
  for (size_t i = 0; i < n; i++) y[i] = float_to_half(x[i]);
}

void portable_bfloat_to_float(const uint16_t *x, size_t n, float *y) {
  for (size_t i = 0; i < n; i++) y[i] = bfloat_to_float(x[i]);
}

void portable_float_to_bfloat(const float *x, size_t n, uint16_t *y) {
  for (size_t i = 0; i < n; i++) y[i] = float_to_bfloat(x[i]);
}

// x * inverse to the nearest integer within [low, high]; NaN becomes low.
static float code_of(float x, float inverse, float low, float high) {
  float v = x * inverse;
  v = v > low ? v : low;
  v = v < high ? v : high;
  return (v + EXP_ROUND) - EXP_ROUND;
}

// The element of largest magnitude, with its sign (the first of equals).
static float signed_peak(const float *x) {
  float peak = 0;
  for (int i = 0; i < GROUP; i++) peak = fabsf(x[i]) > fabsf(peak) ? x[i] : peak;
  return peak;
}

static float mean_square(const float *x, size_t n) {
  float lanes[16] = {0};
  for (size_t i = 0; i < n; i++) lanes[i % 16] = lanes[i % 16] + x[i] * x[i];
  return sum_lanes(lanes) / (float)n;
}

// The scale whose codes (-8...7) have the least squared error, each weighed by its value's square plus
// the row's mean square: what a row computes hangs on its large values, and the plain least error,
// which clips them, costs more perplexity than no search at all. The peak is put at -8...-5.9 in steps
// of 0.15, the scale fitted to those codes, and the best fit kept. With codes q fixed,
// s = sum(wxq) / sum(wqq) leaves sum(wxx) - sum(wxq)^2 / sum(wqq).
static float best_int4_scale(const float *x, float peak, float mean_square) {
  float best_gain = 0, best_scale = peak / -8.0f;
  for (int step = 0; step <= INT4_SEARCH_STEPS; step++) {
    float inverse = (INT4_SEARCH_FIRST + INT4_SEARCH_STEP * (float)step) / peak;
    float xq = 0, qq = 0;
    for (int i = 0; i < GROUP; i++) {
      float q = code_of(x[i], inverse, -8, 7);
      float weighed = q * (x[i] * x[i] + mean_square);
      xq = xq + x[i] * weighed;
      qq = qq + q * weighed;
    }
    float scale = xq / qq, gain = xq * scale;
    if (gain > best_gain) {
      best_gain = gain;
      best_scale = scale;
    }
  }
  return best_scale;
}

static float int4_scale(const float *x, float mean_square) {
  float peak = signed_peak(x);
  if (!(fabsf(peak) > QUANTIZE_LEAST && fabsf(peak) < INFINITY)) return 0;
  float scale = best_int4_scale(x, peak, mean_square);
  if (scale > INT4_SCALE_MOST) return INT4_SCALE_MOST;
  return scale < -INT4_SCALE_MOST ? -INT4_SCALE_MOST : scale;
}

static void quantize_int4_row(const float *x, size_t n, uint8_t *codes, uint16_t *scales) {
  float square = mean_square(x, n);
  for (size_t g = 0; g < n / GROUP; g++) scales[g] = float_to_half(int4_scale(x + g * GROUP, square));
  martlet_step_scales(scales, n / GROUP);
  for (size_t g = 0; g < n / GROUP; g++, x += GROUP, codes += GROUP) {
    float stored = half_to_float(scales[g]), inverse = stored != 0 ? 1.0f / stored : 0;
    for (int i = 0; i < GROUP; i++) codes[i] = (uint8_t)(code_of(x[i], inverse, -8, 7) + 8);
  }
}

void portable_quantize_int4(const float *x, size_t rows, size_t columns, uint8_t *codes,
                            uint16_t *scales) {
  for (size_t r = 0; r < rows; r++) {
    quantize_int4_row(x + r * columns, columns, codes + r * columns, scales + r * (columns / GROUP));
  }
}

void portable_quantize_int8(const float *x, size_t rows, size_t columns, uint8_t *codes,
                            uint16_t *scales) {
  for (size_t g = 0; g < rows * columns / GROUP; g++, x += GROUP, codes += GROUP) {
    float peak = fabsf(signed_peak(x));
    scales[g] = float_to_half(peak > QUANTIZE_LEAST && peak < INFINITY ? peak / 127.0f : 0);
    float stored = half_to_float(scales[g]), inverse = stored != 0 ? 1.0f / stored : 0;
    for (int i = 0; i < GROUP; i++) {
      codes[i] = (uint8_t)(int8_t)code_of(x[i], inverse, -127, 127);
    }
  }
}
