// Sixteen lanes in one register of AVX-512 F, BW, DQ and VL: what the simd_*.h files compute with.
// simd_avx2.h offers the same; what an operation does in one it does in the other, bit for bit.
// Relies on SIMD_TARGET; every function carries it, and runs only on CPUs that passed the check.
#ifndef MARTLET_SIMD_LANES_H
#define MARTLET_SIMD_LANES_H

#include <immintrin.h>

#include "scalar_math.h"

#define SIMD __attribute__((target(SIMD_TARGET)))
#define SIMD_INLINE static inline __attribute__((always_inline)) SIMD
#define UNROLL _Pragma("clang loop unroll(full)")

typedef __m512 floats;
typedef __m512i ints;

enum {
  ATTENTION_ROWS = 8,  // rows of attention whose sums are in registers together
  FLOAT_TILES = 2,     // tiles and tokens of a float product, likewise
  FLOAT_TOKENS = 12,
};

// The first `count` of 16 lanes.
SIMD_INLINE __mmask16 first_lanes(size_t count) {
  return count >= 16 ? 0xffff : (__mmask16)((1u << count) - 1);
}

SIMD_INLINE floats broadcast(float x) { return _mm512_set1_ps(x); }
SIMD_INLINE floats zeros(void) { return _mm512_setzero_ps(); }

SIMD_INLINE floats load(const float *x) { return _mm512_loadu_ps(x); }
SIMD_INLINE void store(float *y, floats v) { _mm512_storeu_ps(y, v); }
// Of the first `count` lanes; the others are zero, or `other`.
SIMD_INLINE floats load_first(const float *x, size_t count) {
  return _mm512_maskz_loadu_ps(first_lanes(count), x);
}
SIMD_INLINE floats load_first_or(float other, const float *x, size_t count) {
  return _mm512_mask_loadu_ps(broadcast(other), first_lanes(count), x);
}
SIMD_INLINE void store_first(float *y, size_t count, floats v) {
  _mm512_mask_storeu_ps(y, first_lanes(count), v);
}
SIMD_INLINE floats keep_first(floats v, size_t count) {
  return _mm512_maskz_mov_ps(first_lanes(count), v);
}

SIMD_INLINE floats add(floats a, floats b) { return _mm512_add_ps(a, b); }
SIMD_INLINE floats subtract(floats a, floats b) { return _mm512_sub_ps(a, b); }
SIMD_INLINE floats multiply(floats a, floats b) { return _mm512_mul_ps(a, b); }
SIMD_INLINE floats divide(floats a, floats b) { return _mm512_div_ps(a, b); }
// a * b + c and c - a * b, rounded once.
SIMD_INLINE floats fused(floats a, floats b, floats c) { return _mm512_fmadd_ps(a, b, c); }
SIMD_INLINE floats fused_minus(floats a, floats b, floats c) { return _mm512_fnmadd_ps(a, b, c); }
// Where either is NaN, the second.
SIMD_INLINE floats maximum(floats a, floats b) { return _mm512_max_ps(a, b); }
SIMD_INLINE floats minimum(floats a, floats b) { return _mm512_min_ps(a, b); }
SIMD_INLINE float largest(floats v) { return _mm512_reduce_max_ps(v); }

// a > b ? yes : no, and x is NaN ? yes : no.
SIMD_INLINE floats if_greater(floats a, floats b, floats yes, floats no) {
  return _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), yes);
}
SIMD_INLINE floats if_nan(floats x, floats yes, floats no) {
  return _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), yes);
}
// The first of `count` lanes that equals m; 16 where none does.
SIMD_INLINE size_t first_equal(floats v, float m, size_t count) {
  __mmask16 equal = _mm512_mask_cmp_ps_mask(first_lanes(count), v, broadcast(m), _CMP_EQ_OQ);
  return equal ? (size_t)__builtin_ctz(equal) : 16;
}

// A bit for each of the first `count` lanes that is not below the limit.
SIMD_INLINE uint32_t not_below(floats v, float limit, size_t count) {
  return _mm512_mask_cmp_ps_mask(first_lanes(count), v, broadcast(limit), _CMP_NLT_UQ);
}

SIMD_INLINE floats absolute(floats x) { return _mm512_abs_ps(x); }
// x with the sign of `sign` set where that is negative.
SIMD_INLINE floats or_sign(floats x, floats sign) {
  __m512i bit = _mm512_and_si512(_mm512_castps_si512(sign), _mm512_set1_epi32((int)0x80000000));
  return _mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(x), bit));
}
// The float whose exponent field is n + bias, for whole n.
SIMD_INLINE floats with_exponent(floats n, int bias) {
  __m512i exponent = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(bias));
  return _mm512_castsi512_ps(_mm512_slli_epi32(exponent, 23));
}
// x * 2^n for whole n of -126 and above; below, anything near zero.
SIMD_INLINE floats scale_by_power(floats x, floats n) { return _mm512_scalef_ps(x, n); }

SIMD_INLINE floats load_half(const uint16_t *x) {
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)x));
}
SIMD_INLINE floats load_half_first(const uint16_t *x, size_t count) {
  return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first_lanes(count), x));
}
SIMD_INLINE void store_half_first(uint16_t *y, size_t count, floats v) {
  __m256i h = _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT);
  _mm256_mask_storeu_epi16(y, first_lanes(count), h);
}
SIMD_INLINE floats load_bfloat_first(const uint16_t *x, size_t count) {
  __m512i wide = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(first_lanes(count), x));
  return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}
// x[0], x[stride], x[2 * stride], ...
SIMD_INLINE floats gather(const float *x, int stride) {
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return _mm512_i32gather_ps(_mm512_mullo_epi32(lanes, _mm512_set1_epi32(stride)), x, 4);
}

// The largest magnitude of both; compared as integers, so that NaN wins over infinity.
SIMD_INLINE float peak_of(floats a, floats b) {
  __m512i x = _mm512_castps_si512(absolute(a)), y = _mm512_castps_si512(absolute(b));
  return float_of(_mm512_reduce_max_epu32(_mm512_max_epu32(x, y)));
}

// To the nearest integers, ties to even.
SIMD_INLINE ints to_ints(floats x) { return _mm512_cvtps_epi32(x); }
SIMD_INLINE floats from_ints(ints x) { return _mm512_cvtepi32_ps(x); }
SIMD_INLINE ints int_zeros(void) { return _mm512_setzero_si512(); }
SIMD_INLINE ints add_ints(ints a, ints b) { return _mm512_add_epi32(a, b); }
SIMD_INLINE ints broadcast_int(int32_t x) { return _mm512_set1_epi32(x); }
SIMD_INLINE int32_t sum_ints(ints v) { return _mm512_reduce_add_epi32(v); }
// In each eight lanes the order 0 2 4 6 1 3 5 7.
SIMD_INLINE ints evens_first(ints v) {
  const __m512i order = _mm512_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
  return _mm512_permutexvar_epi32(order, v);
}
// As bytes and as 16-bit integers; the values fit.
SIMD_INLINE void store_bytes(void *y, ints v) {
  _mm_storeu_si128((__m128i *)y, _mm512_cvtepi32_epi8(v));
}
SIMD_INLINE void store_words(void *y, ints v) {
  _mm256_storeu_si256((__m256i *)y, _mm512_cvtepi32_epi16(v));
}

// Sixteen sums in double precision.
typedef struct {
  __m512d low, high;
} doubles;
SIMD_INLINE doubles double_zeros(void) {
  return (doubles){_mm512_setzero_pd(), _mm512_setzero_pd()};
}
SIMD_INLINE doubles add_widened(doubles sums, floats v) {
  return (doubles){
      _mm512_add_pd(sums.low, _mm512_cvtps_pd(_mm512_castps512_ps256(v))),
      _mm512_add_pd(sums.high, _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1)))};
}
SIMD_INLINE void store_doubles(double *y, doubles v) {
  _mm512_storeu_pd(y, v.low);
  _mm512_storeu_pd(y + 8, v.high);
}

// Sums of 64-bit words, 64 bytes at a time.
SIMD_INLINE ints add_quads(ints sums, const void *bytes) {
  return _mm512_add_epi64(sums, _mm512_loadu_si512(bytes));
}
SIMD_INLINE uint64_t sum_quads(ints v) { return (uint64_t)_mm512_reduce_add_epi64(v); }

#endif
