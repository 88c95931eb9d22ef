// Vector arithmetic of 16 lanes that the AVX-512 files share: the same operations in the same order
// as scalar_math.h, so that results are equal bit for bit. Every function carries the target
// attribute; callers run only on CPUs that passed the check.
#ifndef MARTLET_AVX512_MATH_H
#define MARTLET_AVX512_MATH_H

#include <immintrin.h>

#include "scalar_math.h"

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma,f16c")))
#define AVX512_INLINE static inline __attribute__((always_inline)) AVX512
#define UNROLL _Pragma("clang loop unroll(full)")

// The first `count` of 16 lanes.
AVX512_INLINE __mmask16 first_lanes(size_t count) {
  return count >= 16 ? 0xffff : (__mmask16)((1u << count) - 1);
}

AVX512_INLINE __m512 load_first(const float *x, size_t count) {
  return _mm512_maskz_loadu_ps(first_lanes(count), x);
}

AVX512_INLINE void store_first(float *y, size_t count, __m512 v) {
  _mm512_mask_storeu_ps(y, first_lanes(count), v);
}

AVX512_INLINE __m512 broadcast(float x) { return _mm512_set1_ps(x); }

// Four bytes to every lane.
AVX512_INLINE __m512i broadcast_word(const void *p) {
  int32_t word;
  memcpy(&word, p, 4);
  return _mm512_set1_epi32(word);
}

AVX512_INLINE __m512 absolute(__m512 x) {
  return _mm512_castsi512_ps(
      _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff)));
}

AVX512_INLINE float tree_sum(__m512 v) {
  float lanes[16];
  _mm512_storeu_ps(lanes, v);
  return sum_lanes(lanes);
}

AVX512_INLINE __m512 round_lanes(__m512 x) {
  __m512 magic = broadcast(EXP_ROUND);
  return _mm512_sub_ps(_mm512_add_ps(x, magic), magic);
}

AVX512_INLINE __m512 step(__m512 p, __m512 r, float c) {
  return _mm512_add_ps(_mm512_mul_ps(p, r), broadcast(c));
}

AVX512_INLINE __m512 exp_lanes(__m512 x) {
  __m512 n = round_lanes(_mm512_mul_ps(x, broadcast(EXP_LOG2E)));
  __m512 r = _mm512_sub_ps(x, _mm512_mul_ps(n, broadcast(EXP_LN2_HIGH)));
  r = _mm512_sub_ps(r, _mm512_mul_ps(n, broadcast(EXP_LN2_LOW)));
  __m512 p = broadcast(EXP_C7);
  p = step(p, r, EXP_C6);
  p = step(p, r, EXP_C5);
  p = step(p, r, EXP_C4);
  p = step(p, r, EXP_C3);
  p = step(p, r, EXP_C2);
  p = _mm512_add_ps(_mm512_mul_ps(p, _mm512_mul_ps(r, r)), r);
  p = _mm512_add_ps(p, broadcast(1.0f));
  __m512i exponent = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(126));
  __m512 power = _mm512_castsi512_ps(_mm512_slli_epi32(exponent, 23));
  __m512 y = _mm512_mul_ps(_mm512_mul_ps(p, power), broadcast(2.0f));
  y = _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(x, broadcast(EXP_LOWEST), _CMP_LT_OQ),
                         _mm512_setzero_ps());
  y = _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(x, broadcast(EXP_HIGHEST), _CMP_GT_OQ),
                         broadcast(INFINITY));
  return _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), x);
}

AVX512_INLINE __m512 erf_lanes(__m512 x) {
  __m512 a = absolute(x), one = broadcast(1.0f);
  __m512 t = _mm512_div_ps(one, _mm512_add_ps(one, _mm512_mul_ps(broadcast(ERF_P), a)));
  __m512 p = broadcast(ERF_A5);
  p = step(p, t, ERF_A4);
  p = step(p, t, ERF_A3);
  p = step(p, t, ERF_A2);
  p = step(p, t, ERF_A1);
  __m512 e = exp_lanes(_mm512_sub_ps(_mm512_setzero_ps(), _mm512_mul_ps(a, a)));
  __m512 y = _mm512_sub_ps(one, _mm512_mul_ps(_mm512_mul_ps(p, t), e));
  __m512i sign = _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32((int)0x80000000));
  return _mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(y), sign));
}

#endif
