// Quantisers of groups of 32 and float conversions in plain C: the oracle. int4 looks for the scale
// with the least squared error; int8 takes the largest magnitude, which is near that already.
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

// The scale whose codes (-8...7) have the least squared error: the peak is put at -5.8...-9 in
// steps of 0.2 (and clamped), the scale fitted to those codes, and the best fit kept. With codes q
// fixed, s = sum(xq) / sum(qq) leaves sum(xx) - sum(xq)^2 / sum(qq).
static float best_int4_scale(const float *x, float peak) {
  float best_gain = 0, best_scale = peak / -8.0f;
  for (int step = 0; step <= INT4_SEARCH_STEPS; step++) {
    float inverse = (INT4_SEARCH_FIRST - INT4_SEARCH_STEP * (float)step) / peak;
    float xq = 0, qq = 0;
    for (int i = 0; i < GROUP; i++) {
      float q = code_of(x[i], inverse, -8, 7);
      xq = xq + x[i] * q;
      qq = qq + q * q;
    }
    float scale = xq / qq, gain = xq * scale;
    if (gain > best_gain) {
      best_gain = gain;
      best_scale = scale;
    }
  }
  return best_scale;
}

void portable_quantize_int4(const float *x, size_t n, uint8_t *codes, uint16_t *scales) {
  for (size_t g = 0; g < n / GROUP; g++, x += GROUP, codes += GROUP) {
    float peak = signed_peak(x), scale = 0;
    if (fabsf(peak) > QUANTIZE_LEAST && fabsf(peak) < INFINITY) scale = best_int4_scale(x, peak);
    scales[g] = float_to_half(scale);
    float stored = half_to_float(scales[g]), inverse = stored != 0 ? 1.0f / stored : 0;
    for (int i = 0; i < GROUP; i++) codes[i] = (uint8_t)(code_of(x[i], inverse, -8, 7) + 8);
  }
}

void portable_quantize_int8(const float *x, size_t n, uint8_t *codes, uint16_t *scales) {
  for (size_t g = 0; g < n / GROUP; g++, x += GROUP, codes += GROUP) {
    float peak = fabsf(signed_peak(x));
    scales[g] = float_to_half(peak > QUANTIZE_LEAST && peak < INFINITY ? peak / 127.0f : 0);
    float stored = half_to_float(scales[g]), inverse = stored != 0 ? 1.0f / stored : 0;
    for (int i = 0; i < GROUP; i++) {
      codes[i] = (uint8_t)(int8_t)code_of(x[i], inverse, -127, 127);
    }
  }
}
