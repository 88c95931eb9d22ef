// Sixteen lanes in two registers of AVX2 with FMA and F16C: what the simd_*.h files compute with.
// simd_avx512.h offers the same, and tells what each operation does.
#ifndef MARTLET_SIMD_LANES_H
#define MARTLET_SIMD_LANES_H

#include <immintrin.h>

#include "scalar_math.h"

#define SIMD __attribute__((target(SIMD_TARGET)))
#define SIMD_INLINE static inline __attribute__((always_inline)) SIMD
#define UNROLL _Pragma("clang loop unroll(full)")

typedef struct {
  __m256 low, high;
} floats;
typedef struct {
  __m256i low, high;
} ints;

enum {
  ATTENTION_ROWS = 2,
  FLOAT_TILES = 1,
  FLOAT_TOKENS = 6,
};

// All bits of the first `count` of eight lanes.
SIMD_INLINE __m256i first_eight(size_t count) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count > 8 ? 8 : (int)count), lanes);
}
SIMD_INLINE size_t beyond_eight(size_t count) { return count > 8 ? count - 8 : 0; }

SIMD_INLINE floats broadcast(float x) {
  __m256 v = _mm256_set1_ps(x);
  return (floats){v, v};
}
SIMD_INLINE floats zeros(void) { return broadcast(0); }

SIMD_INLINE floats load(const float *x) {
  return (floats){_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8)};
}
SIMD_INLINE void store(float *y, floats v) {
  _mm256_storeu_ps(y, v.low);
  _mm256_storeu_ps(y + 8, v.high);
}
SIMD_INLINE floats load_first(const float *x, size_t count) {
  if (count >= 16) return load(x);
  return (floats){_mm256_maskload_ps(x, first_eight(count)),
                  _mm256_maskload_ps(x + 8, first_eight(beyond_eight(count)))};
}
SIMD_INLINE floats load_first_or(float other, const float *x, size_t count) {
  if (count >= 16) return load(x);
  floats v = load_first(x, count), o = broadcast(other);
  return (floats){
      _mm256_blendv_ps(o.low, v.low, _mm256_castsi256_ps(first_eight(count))),
      _mm256_blendv_ps(o.high, v.high, _mm256_castsi256_ps(first_eight(beyond_eight(count))))};
}
SIMD_INLINE void store_first(float *y, size_t count, floats v) {
  if (count >= 16) {
    store(y, v);
    return;
  }
  _mm256_maskstore_ps(y, first_eight(count), v.low);
  _mm256_maskstore_ps(y + 8, first_eight(beyond_eight(count)), v.high);
}
SIMD_INLINE floats keep_first(floats v, size_t count) {
  return (floats){
      _mm256_and_ps(v.low, _mm256_castsi256_ps(first_eight(count))),
      _mm256_and_ps(v.high, _mm256_castsi256_ps(first_eight(beyond_eight(count))))};
}

#define LANEWISE(name, intrinsic)                    \
  SIMD_INLINE floats name(floats a, floats b) {      \
    return (floats){intrinsic(a.low, b.low), intrinsic(a.high, b.high)}; \
  }
LANEWISE(add, _mm256_add_ps)
LANEWISE(subtract, _mm256_sub_ps)
LANEWISE(multiply, _mm256_mul_ps)
LANEWISE(divide, _mm256_div_ps)
LANEWISE(maximum, _mm256_max_ps)
LANEWISE(minimum, _mm256_min_ps)
#undef LANEWISE

SIMD_INLINE floats fused(floats a, floats b, floats c) {
  return (floats){_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
SIMD_INLINE floats fused_minus(floats a, floats b, floats c) {
  return (floats){_mm256_fnmadd_ps(a.low, b.low, c.low), _mm256_fnmadd_ps(a.high, b.high, c.high)};
}
SIMD_INLINE float largest(floats v) {
  float lanes[8], most;
  _mm256_storeu_ps(lanes, _mm256_max_ps(v.low, v.high));
  most = lanes[0];
  for (int i = 1; i < 8; i++) most = lanes[i] > most ? lanes[i] : most;
  return most;
}

SIMD_INLINE floats if_greater(floats a, floats b, floats yes, floats no) {
  return (floats){
      _mm256_blendv_ps(no.low, yes.low, _mm256_cmp_ps(a.low, b.low, _CMP_GT_OQ)),
      _mm256_blendv_ps(no.high, yes.high, _mm256_cmp_ps(a.high, b.high, _CMP_GT_OQ))};
}
SIMD_INLINE floats if_nan(floats x, floats yes, floats no) {
  return (floats){
      _mm256_blendv_ps(no.low, yes.low, _mm256_cmp_ps(x.low, x.low, _CMP_UNORD_Q)),
      _mm256_blendv_ps(no.high, yes.high, _mm256_cmp_ps(x.high, x.high, _CMP_UNORD_Q))};
}
SIMD_INLINE size_t first_equal(floats v, float m, size_t count) {
  __m256 of = _mm256_set1_ps(m);
  uint32_t equal = (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(v.low, of, _CMP_EQ_OQ)) |
                   (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(v.high, of, _CMP_EQ_OQ)) << 8;
  if (count < 16) equal &= (1u << count) - 1;
  return equal ? (size_t)__builtin_ctz(equal) : 16;
}

SIMD_INLINE uint32_t not_below(floats v, float limit, size_t count) {
  __m256 least = _mm256_set1_ps(limit);
  uint32_t found = (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(v.low, least, _CMP_NLT_UQ)) |
                   (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(v.high, least, _CMP_NLT_UQ)) << 8;
  return count < 16 ? found & ((1u << count) - 1) : found;
}

SIMD_INLINE floats absolute(floats x) {
  __m256 bits = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  return (floats){_mm256_and_ps(x.low, bits), _mm256_and_ps(x.high, bits)};
}
SIMD_INLINE floats or_sign(floats x, floats sign) {
  __m256 bit = _mm256_castsi256_ps(_mm256_set1_epi32((int)0x80000000));
  return (floats){_mm256_or_ps(x.low, _mm256_and_ps(sign.low, bit)),
                  _mm256_or_ps(x.high, _mm256_and_ps(sign.high, bit))};
}
SIMD_INLINE ints to_ints(floats x) {
  return (ints){_mm256_cvtps_epi32(x.low), _mm256_cvtps_epi32(x.high)};
}
SIMD_INLINE floats from_ints(ints x) {
  return (floats){_mm256_cvtepi32_ps(x.low), _mm256_cvtepi32_ps(x.high)};
}
SIMD_INLINE ints broadcast_int(int32_t x) {
  __m256i v = _mm256_set1_epi32(x);
  return (ints){v, v};
}
SIMD_INLINE ints int_zeros(void) { return broadcast_int(0); }
SIMD_INLINE ints add_ints(ints a, ints b) {
  return (ints){_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)};
}
SIMD_INLINE floats with_exponent(floats n, int bias) {
  ints exponent = add_ints(to_ints(n), broadcast_int(bias));
  return (floats){_mm256_castsi256_ps(_mm256_slli_epi32(exponent.low, 23)),
                  _mm256_castsi256_ps(_mm256_slli_epi32(exponent.high, 23))};
}
SIMD_INLINE floats scale_by_power(floats x, floats n) {
  floats power = with_exponent(maximum(broadcast(-127), n), 127);  // 2^-127 comes out as zero
  return multiply(x, power);
}

SIMD_INLINE floats load_half(const uint16_t *x) {
  return (floats){_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)x)),
                  _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(x + 8)))};
}
// There are no masked loads and stores of 16 bits: a short run goes through memory.
SIMD_INLINE floats load_half_first(const uint16_t *x, size_t count) {
  if (count >= 16) return load_half(x);
  uint16_t run[16] = {0};
  memcpy(run, x, count * sizeof *x);
  return load_half(run);
}
SIMD_INLINE void store_half_first(uint16_t *y, size_t count, floats v) {
  uint16_t run[16];
  _mm_storeu_si128((__m128i *)run, _mm256_cvtps_ph(v.low, _MM_FROUND_TO_NEAREST_INT));
  _mm_storeu_si128((__m128i *)(run + 8), _mm256_cvtps_ph(v.high, _MM_FROUND_TO_NEAREST_INT));
  memcpy(y, run, (count < 16 ? count : 16) * sizeof *y);
}
SIMD_INLINE __m256 bfloats(__m128i x) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
}
SIMD_INLINE floats load_bfloat_first(const uint16_t *x, size_t count) {
  uint16_t run[16] = {0};
  if (count < 16) {
    memcpy(run, x, count * sizeof *x);
    x = run;
  }
  return (floats){bfloats(_mm_loadu_si128((const __m128i *)x)),
                  bfloats(_mm_loadu_si128((const __m128i *)(x + 8)))};
}
SIMD_INLINE floats gather(const float *x, int stride) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  __m256i at = _mm256_mullo_epi32(lanes, _mm256_set1_epi32(stride));
  return (floats){_mm256_i32gather_ps(x, at, 4), _mm256_i32gather_ps(x + 8 * stride, at, 4)};
}

SIMD_INLINE __m256i larger_bits(floats x) {
  floats a = absolute(x);  // never negative as integers
  return _mm256_max_epi32(_mm256_castps_si256(a.low), _mm256_castps_si256(a.high));
}
SIMD_INLINE float peak_of(floats a, floats b) {
  __m256i most = _mm256_max_epi32(larger_bits(a), larger_bits(b));
  __m128i half = _mm_max_epi32(_mm256_castsi256_si128(most), _mm256_extracti128_si256(most, 1));
  half = _mm_max_epi32(half, _mm_shuffle_epi32(half, 0x4e));
  half = _mm_max_epi32(half, _mm_shuffle_epi32(half, 0xb1));
  return float_of((uint32_t)_mm_cvtsi128_si32(half));
}

SIMD_INLINE int32_t sum_ints(ints v) {
  __m256i all = _mm256_add_epi32(v.low, v.high);
  __m128i half = _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1));
  return _mm_cvtsi128_si32(half);
}
SIMD_INLINE ints evens_first(ints v) {
  const __m256i order = _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7);
  return (ints){_mm256_permutevar8x32_epi32(v.low, order),
                _mm256_permutevar8x32_epi32(v.high, order)};
}
SIMD_INLINE __m256i words_of(ints v) {
  return _mm256_permute4x64_epi64(_mm256_packs_epi32(v.low, v.high), 0xd8);
}
SIMD_INLINE void store_words(void *y, ints v) { _mm256_storeu_si256((__m256i *)y, words_of(v)); }
// The low byte of each: codes of 128 and above are bytes too.
SIMD_INLINE void store_bytes(void *y, ints v) {
  __m256i words = _mm256_and_si256(words_of(v), _mm256_set1_epi16(255));
  __m128i bytes =
      _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128((__m128i *)y, bytes);
}

typedef struct {
  __m256d quarters[4];
} doubles;
SIMD_INLINE doubles double_zeros(void) {
  __m256d zero = _mm256_setzero_pd();
  return (doubles){{zero, zero, zero, zero}};
}
SIMD_INLINE doubles add_widened(doubles sums, floats v) {
  __m128 quarters[4] = {_mm256_castps256_ps128(v.low), _mm256_extractf128_ps(v.low, 1),
                        _mm256_castps256_ps128(v.high), _mm256_extractf128_ps(v.high, 1)};
  UNROLL for (int i = 0; i < 4; i++) {
    sums.quarters[i] = _mm256_add_pd(sums.quarters[i], _mm256_cvtps_pd(quarters[i]));
  }
  return sums;
}
SIMD_INLINE void store_doubles(double *y, doubles v) {
  for (int i = 0; i < 4; i++) _mm256_storeu_pd(y + 4 * i, v.quarters[i]);
}

SIMD_INLINE ints add_quads(ints sums, const void *bytes) {
  const __m256i *from = (const __m256i *)bytes;
  return (ints){_mm256_add_epi64(sums.low, _mm256_loadu_si256(from)),
                _mm256_add_epi64(sums.high, _mm256_loadu_si256(from + 1))};
}
SIMD_INLINE uint64_t sum_quads(ints v) {
  uint64_t quads[4];
  _mm256_storeu_si256((__m256i *)quads, _mm256_add_epi64(v.low, v.high));
  return quads[0] + quads[1] + quads[2] + quads[3];
}

#endif
