// Quantisers and conversions for AVX-512, equal to the oracle bit for bit. The int4 search runs 16
// groups at a time, one to a lane, so that its sums are added in the oracle's order.
#if defined(__x86_64__)
#include "avx512_math.h"
#include "avx512.h"
#include "tables.h"

AVX512 void avx512_half_to_float(const uint16_t *x, size_t n, float *y) {
  for (size_t i = 0; i < n; i += 16) {
    __m256i h = _mm256_maskz_loadu_epi16(first_lanes(n - i), x + i);
    store_first(y + i, n - i, _mm512_cvtph_ps(h));
  }
}

AVX512 void avx512_float_to_half(const float *x, size_t n, uint16_t *y) {
  for (size_t i = 0; i < n; i += 16) {
    __m256i h = _mm512_cvtps_ph(load_first(x + i, n - i), _MM_FROUND_TO_NEAREST_INT);
    _mm256_mask_storeu_epi16(y + i, first_lanes(n - i), h);
  }
}

AVX512 void avx512_bfloat_to_float(const uint16_t *x, size_t n, float *y) {
  for (size_t i = 0; i < n; i += 16) {
    __m512i h = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(first_lanes(n - i), x + i));
    store_first(y + i, n - i, _mm512_castsi512_ps(_mm512_slli_epi32(h, 16)));
  }
}

// x * inverse to the nearest integer within [low, high]; NaN becomes low.
AVX512_INLINE __m512 code_lanes(__m512 x, __m512 inverse, float low, float high) {
  __m512 v = _mm512_max_ps(_mm512_mul_ps(x, inverse), broadcast(low));
  return round_lanes(_mm512_min_ps(v, broadcast(high)));
}

AVX512_INLINE __m512 signed_peak_lanes(const __m512 x[GROUP]) {
  __m512 peak = _mm512_setzero_ps();
  for (int i = 0; i < GROUP; i++) {
    __mmask16 more = _mm512_cmp_ps_mask(absolute(x[i]), absolute(peak), _CMP_GT_OQ);
    peak = _mm512_mask_mov_ps(peak, more, x[i]);
  }
  return peak;
}

AVX512_INLINE __m512 best_int4_scales(const __m512 x[GROUP], __m512 peak) {
  __m512 best_gain = _mm512_setzero_ps(), best = _mm512_div_ps(peak, broadcast(-8.0f));
  for (int step = 0; step <= INT4_SEARCH_STEPS; step++) {
    float target = INT4_SEARCH_FIRST - INT4_SEARCH_STEP * (float)step;
    __m512 inverse = _mm512_div_ps(broadcast(target), peak);
    __m512 xq = _mm512_setzero_ps(), qq = xq;
    for (int i = 0; i < GROUP; i++) {
      __m512 q = code_lanes(x[i], inverse, -8, 7);
      xq = _mm512_add_ps(xq, _mm512_mul_ps(x[i], q));
      qq = _mm512_add_ps(qq, _mm512_mul_ps(q, q));
    }
    __m512 scale = _mm512_div_ps(xq, qq), gain = _mm512_mul_ps(xq, scale);
    __mmask16 better = _mm512_cmp_ps_mask(gain, best_gain, _CMP_GT_OQ);
    best_gain = _mm512_mask_mov_ps(best_gain, better, gain);
    best = _mm512_mask_mov_ps(best, better, scale);
  }
  return best;
}

// A group's codes for a stored scale.
AVX512_INLINE void write_codes(const float *x, uint16_t scale, float low, float high, int offset,
                               uint8_t *codes) {
  float stored = half_to_float(scale);
  __m512 inverse = broadcast(stored != 0 ? 1.0f / stored : 0);
  for (int i = 0; i < GROUP; i += 16) {
    __m512i q = _mm512_cvtps_epi32(code_lanes(_mm512_loadu_ps(x + i), inverse, low, high));
    q = _mm512_add_epi32(q, _mm512_set1_epi32(offset));
    _mm_storeu_si128((__m128i *)(codes + i), _mm512_cvtepi32_epi8(q));
  }
}

AVX512 void avx512_quantize_int4(const float *x, size_t n, uint8_t *codes, uint16_t *scales) {
  const __m512i stride = _mm512_mullo_epi32(
      _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
      _mm512_set1_epi32(GROUP));
  size_t groups = n / GROUP, g = 0;
  for (; g + 16 <= groups; g += 16) {
    __m512 lanes[GROUP];
    for (int i = 0; i < GROUP; i++) {
      lanes[i] = _mm512_i32gather_ps(stride, x + g * GROUP + (size_t)i, 4);
    }
    __m512 peak = signed_peak_lanes(lanes), magnitude = absolute(peak);
    __mmask16 usable = _mm512_cmp_ps_mask(magnitude, broadcast(QUANTIZE_LEAST), _CMP_GT_OQ) &
                       _mm512_cmp_ps_mask(magnitude, broadcast(INFINITY), _CMP_LT_OQ);
    __m512 best = _mm512_maskz_mov_ps(usable, best_int4_scales(lanes, peak));
    avx512_float_to_half((const float *)&best, 16, scales + g);
    for (size_t i = g; i < g + 16; i++) {
      write_codes(x + i * GROUP, scales[i], -8, 7, 8, codes + i * GROUP);
    }
  }
  portable_quantize_int4(x + g * GROUP, (groups - g) * GROUP, codes + g * GROUP, scales + g);
}

AVX512 void avx512_quantize_int8(const float *x, size_t n, uint8_t *codes, uint16_t *scales) {
  for (size_t g = 0; g < n / GROUP; g++, x += GROUP, codes += GROUP) {
    __m512 m = _mm512_max_ps(absolute(_mm512_loadu_ps(x)), _mm512_setzero_ps());
    m = _mm512_max_ps(absolute(_mm512_loadu_ps(x + 16)), m);
    float peak = _mm512_reduce_max_ps(m);
    scales[g] = float_to_half(peak > QUANTIZE_LEAST && peak < INFINITY ? peak / 127.0f : 0);
    write_codes(x, scales[g], -127, 127, 0, codes);
  }
}
#endif
