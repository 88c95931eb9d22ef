// Scalar arithmetic that every kernel file agrees on: the exponential, the error function, float
// conversions and the fixed trees of additions. The SIMD files repeat the same operations in the
// same order, without fused multiply-add, so that results are equal bit for bit.
#ifndef MARTLET_SCALAR_MATH_H
#define MARTLET_SCALAR_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

static inline uint32_t bits_of(float x) {
  uint32_t u;
  memcpy(&u, &x, 4);
  return u;
}

static inline float float_of(uint32_t u) {
  float x;
  memcpy(&x, &u, 4);
  return x;
}

static inline float half_to_float(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = (h >> 10) & 31, mantissa = h & 0x3ff;
  if (exponent == 0) {
    float x = (float)mantissa * 0x1p-24f;
    return sign ? -x : x;
  }
  if (exponent == 31) {  // a NaN comes out quiet, as the hardware makes it
    return float_of(sign | 0x7f800000 | (mantissa << 13) | (mantissa ? 0x400000 : 0));
  }
  return float_of(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

// To nearest, ties to even; overflow to infinity.
static inline uint16_t float_to_half(float x) {
  uint32_t u = bits_of(x), sign = (u >> 16) & 0x8000, magnitude = u & 0x7fffffff;
  if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00 | ((magnitude >> 13) & 0x3ff));
  if (magnitude >= 0x477ff000) return (uint16_t)(sign | 0x7c00);
  if (magnitude < 0x38800000) {  // subnormal: the addition rounds at 2^-24
    float shifted = float_of(magnitude) + 0.5f;
    return (uint16_t)(sign | (bits_of(shifted) - 0x3f000000));
  }
  uint32_t rounded = magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1);
  return (uint16_t)(sign | (rounded >> 13));
}

static inline float bfloat_to_float(uint16_t h) { return float_of((uint32_t)h << 16); }

static inline uint16_t float_to_bfloat(float x) {
  uint32_t u = bits_of(x);
  if ((u & 0x7fffffff) > 0x7f800000) return (uint16_t)((u >> 16) | 0x40);
  return (uint16_t)((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}

// exp within 2 ulp: x = n ln 2 + r, a polynomial in r, 2^n in two steps so that results up to
// FLT_MAX pass. Below EXP_LOWEST the result is zero (the true one would be about 2^-125).
#define EXP_LOWEST -86.6f
#define EXP_HIGHEST 88.72284f
#define EXP_LOG2E 1.44269504f
#define EXP_LN2_HIGH 0.693359375f
#define EXP_LN2_LOW -2.12194440e-4f
#define EXP_ROUND 12582912.0f  // 1.5 * 2^23: adding and subtracting it rounds to an integer
#define EXP_C2 5.0000001201e-1f
#define EXP_C3 1.6666665459e-1f
#define EXP_C4 4.1665795894e-2f
#define EXP_C5 8.3334519073e-3f
#define EXP_C6 1.3981999507e-3f
#define EXP_C7 1.9875691500e-4f

static inline float exp_float(float x) {
  if (x < EXP_LOWEST) return 0.0f;
  if (x > EXP_HIGHEST) return INFINITY;
  if (x != x) return x;
  float n = (x * EXP_LOG2E + EXP_ROUND) - EXP_ROUND;
  float r = (x - n * EXP_LN2_HIGH) - n * EXP_LN2_LOW;
  float p = EXP_C7;
  p = p * r + EXP_C6;
  p = p * r + EXP_C5;
  p = p * r + EXP_C4;
  p = p * r + EXP_C3;
  p = p * r + EXP_C2;
  p = p * (r * r) + r;
  p = p + 1.0f;
  return (p * float_of((uint32_t)((int32_t)n + 126) << 23)) * 2.0f;
}

// erf to 1.5e-7 absolute: Abramowitz and Stegun 7.1.26.
#define ERF_P 0.3275911f
#define ERF_A1 0.254829592f
#define ERF_A2 -0.284496736f
#define ERF_A3 1.421413741f
#define ERF_A4 -1.453152027f
#define ERF_A5 1.061405429f

static inline float erf_float(float x) {
  float a = fabsf(x), t = 1.0f / (1.0f + ERF_P * a), p = ERF_A5;
  p = p * t + ERF_A4;
  p = p * t + ERF_A3;
  p = p * t + ERF_A2;
  p = p * t + ERF_A1;
  float y = 1.0f - (p * t) * exp_float(0.0f - a * a);
  return float_of(bits_of(y) | (bits_of(x) & 0x80000000));
}

// gelu(x) = x / 2 * (1 + tanh(v)) = x / (1 + exp(-2 v)), v = sqrt(2 / pi) * (x + 0.044715 x^3).
#define GELU_SCALE 1.5957691216f
#define GELU_CUBIC 0.0713548163f

// cap * tanh(x / cap), to 1e-7 of the cap.
static inline float soft_cap_float(float x, float cap) {
  float e = exp_float((x / cap) * 2.0f);
  return cap * (1.0f - 2.0f / (e + 1.0f));
}

// Halves 16 lanes until one is left: the last step of every reduction.
static inline float sum_lanes(const float lanes[16]) {
  float s[16];
  memcpy(s, lanes, sizeof s);
  for (int width = 8; width > 0; width /= 2) {
    for (int i = 0; i < width; i++) s[i] = s[i] + s[i + width];
  }
  return s[0];
}

static inline double sum_double_lanes(const double lanes[16]) {
  double s[16];
  memcpy(s, lanes, sizeof s);
  for (int width = 8; width > 0; width /= 2) {
    for (int i = 0; i < width; i++) s[i] = s[i] + s[i + width];
  }
  return s[0];
}

#endif
