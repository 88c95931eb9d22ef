// What sampling asks of a row of logits for AVX-512: the operations and the order of additions of
// portable_sampling.c, equal to it bit for bit. Tails are masked: nothing is read or written past
// the end.
#if defined(__x86_64__)
#include "avx512_math.h"
#include "avx512.h"

AVX512 double avx512_exponentials(const float *x, size_t n, float divisor, float maximum,
                                  float *y) {
  __m512d low = _mm512_setzero_pd(), high = low;
  for (size_t i = 0; i < n; i += 16) {
    __m512 score = _mm512_div_ps(load_first(x + i, n - i), broadcast(divisor));
    __m512 e = exp_lanes(_mm512_sub_ps(score, broadcast(maximum)));
    e = _mm512_maskz_mov_ps(first_lanes(n - i), e);
    if (y) store_first(y + i, n - i, e);
    low = _mm512_add_pd(low, _mm512_cvtps_pd(_mm512_castps512_ps256(e)));
    high = _mm512_add_pd(high, _mm512_cvtps_pd(_mm512_extractf32x8_ps(e, 1)));
  }
  double lanes[16];
  _mm512_storeu_pd(lanes, low);
  _mm512_storeu_pd(lanes + 8, high);
  return sum_double_lanes(lanes);
}

// The lanes of x[0...15] that are not below the threshold.
AVX512_INLINE uint64_t reached(const float *x, size_t count, __m512 threshold) {
  return _mm512_mask_cmp_ps_mask(first_lanes(count), load_first(x, count), threshold,
                                 _CMP_NLT_UQ);
}

AVX512 size_t avx512_select(const float *x, size_t n, float threshold, int32_t *ids,
                            size_t capacity) {
  const __m512 limit = broadcast(threshold);
  const __m512i lanes =
      _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  size_t count = 0;
  for (size_t i = 0; i < n; i += 64) {
    uint64_t mask = 0;
    UNROLL for (size_t k = 0; k < 64; k += 16) {
      if (i + k < n) mask |= reached(x + i + k, n - i - k, limit) << k;
    }
    if (!mask) continue;  // nearly always
    for (size_t k = 0; k < 64; k += 16) {
      __mmask16 part = (__mmask16)(mask >> k);
      size_t found = (size_t)__builtin_popcount(part);
      if (found && count < capacity) {
        __m512i indices = _mm512_add_epi32(lanes, _mm512_set1_epi32((int32_t)(i + k)));
        size_t left = capacity - count;
        _mm512_mask_storeu_epi32(ids + count, first_lanes(found < left ? found : left),
                                 _mm512_maskz_compress_epi32(part, indices));
      }
      count += found;
    }
  }
  return count;
}
#endif
