// Activations for AVX-512 products: the codes, scales and corrections of portable_product.c, equal
// to them bit for bit.
#if defined(__x86_64__)
#include "avx512_math.h"
#include "avx512.h"
#include "tables.h"

#define ACTIVATION_LEAST 1e-30f

typedef struct {
  __m512 low, high;
} group32;

AVX512_INLINE group32 load_group(const float *x) {
  return (group32){_mm512_loadu_ps(x), _mm512_loadu_ps(x + 16)};
}

// As the oracle's: magnitudes compared as integers, so that NaN wins over infinity.
AVX512_INLINE float group_scale(group32 x, float levels, float *inverse) {
  __m512i low = _mm512_castps_si512(absolute(x.low)), high = _mm512_castps_si512(absolute(x.high));
  float peak = float_of(_mm512_reduce_max_epu32(_mm512_max_epu32(low, high)));
  *inverse = 0;
  if (peak < ACTIVATION_LEAST) return 0;
  if (!(peak < INFINITY)) return NAN;
  *inverse = levels / peak;
  return peak / levels;
}

AVX512_INLINE __m512i codes_of(__m512 x, float inverse) {
  return _mm512_cvtps_epi32(_mm512_mul_ps(x, broadcast(inverse)));
}

AVX512 static void prepare_integer(martlet_format format, const float *x, size_t columns,
                                   size_t width, uint8_t *block) {
  size_t groups = padded_groups(format, columns);
  int8_t *codes = (int8_t *)block;
  float *scales = (float *)(block + groups * width * GROUP);
  int32_t *corrections = (int32_t *)(scales + groups * width);
  int32_t offset = format == MARTLET_INT4 ? 8 : 128;
  for (size_t g = 0; g < groups; g++) {
    for (size_t n = 0; n < width; n++) {
      size_t at = g * width + n;
      __m512i low = _mm512_setzero_si512(), high = low;
      scales[at] = 0;
      if (g * GROUP < columns) {
        group32 values = load_group(x + n * columns + g * GROUP);
        float inverse;
        scales[at] = group_scale(values, 127, &inverse);
        if (inverse != 0) {
          low = codes_of(values.low, inverse);
          high = codes_of(values.high, inverse);
        }
      }
      corrections[at] = -offset * _mm512_reduce_add_epi32(_mm512_add_epi32(low, high));
      _mm_storeu_si128((__m128i *)(codes + at * GROUP), _mm512_cvtepi32_epi8(low));
      _mm_storeu_si128((__m128i *)(codes + at * GROUP + 16), _mm512_cvtepi32_epi8(high));
    }
  }
}

AVX512 static void prepare_nf4(const float *x, size_t columns, size_t width, uint8_t *block) {
  const __m512i order =
      _mm512_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
  size_t groups = padded_groups(MARTLET_NF4, columns);
  int16_t *codes = (int16_t *)block;
  float *scales = (float *)(block + 2 * groups * width * GROUP);
  for (size_t g = 0; g < groups; g++) {
    for (size_t n = 0; n < width; n++) {
      size_t at = g * width + n;
      __m512i low = _mm512_setzero_si512(), high = low;
      scales[at] = 0;
      if (g * GROUP < columns) {
        group32 values = load_group(x + n * columns + g * GROUP);
        float inverse;
        scales[at] = group_scale(values, 2047, &inverse) / 32767.0f;
        if (inverse != 0) {
          low = _mm512_permutexvar_epi32(order, codes_of(values.low, inverse));
          high = _mm512_permutexvar_epi32(order, codes_of(values.high, inverse));
        }
      }
      _mm256_storeu_si256((__m256i *)(codes + at * GROUP), _mm512_cvtepi32_epi16(low));
      _mm256_storeu_si256((__m256i *)(codes + at * GROUP + 16), _mm512_cvtepi32_epi16(high));
    }
  }
}

void avx512_prepare(martlet_format format, const float *x, size_t columns, size_t tokens,
                    size_t block_begin, size_t block_end, void *prepared) {
  if (is_float_format(format)) {  // a transposition: nothing to compute
    portable_prepare(format, x, columns, tokens, block_begin, block_end, prepared);
    return;
  }
  size_t per_block = martlet_token_block(format), bytes = prepared_block_bytes(format, columns);
  for (size_t b = block_begin; b < block_end; b++) {
    size_t first = b * per_block, width = smaller(per_block, tokens - first);
    uint8_t *block = (uint8_t *)prepared + b * bytes;
    if (format == MARTLET_NF4) prepare_nf4(x + first * columns, columns, width, block);
    else prepare_integer(format, x + first * columns, columns, width, block);
  }
}
#endif
