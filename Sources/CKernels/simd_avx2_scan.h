// The products of a vector search's scan for AVX2: the rows' levels become magnitudes, which are
// unsigned bytes, and their signs go to the query's codes; two products of 127 * 127 fit 16 bits.

enum { SCAN_QUERIES = 4, SCAN_CHAINS = 2 };

typedef struct {
  ints levels, magnitudes;
} scan_levels;

SIMD_INLINE scan_levels with_magnitudes(__m256i low, __m256i high) {
  return (scan_levels){.levels = {low, high},
                       .magnitudes = {_mm256_abs_epi8(low), _mm256_abs_epi8(high)}};
}

SIMD_INLINE scan_levels load_levels(const uint8_t *codes) {
  const __m256i *from = (const __m256i *)codes;
  __m256i offset = _mm256_set1_epi8((char)0x80);
  return with_magnitudes(_mm256_xor_si256(_mm256_load_si256(from), offset),
                         _mm256_xor_si256(_mm256_load_si256(from + 1), offset));
}

// Of columns 0...3 and 4...7 of a group.
SIMD_INLINE void load_coarse_levels(const uint8_t *codes, scan_levels levels[2]) {
  const __m256i *from = (const __m256i *)codes, half = _mm256_set1_epi8(15);
  __m256i table = _mm256_broadcastsi128_si256(
      _mm_loadu_si128((const __m128i *)martlet_scan_levels));
  __m256i low = _mm256_load_si256(from), high = _mm256_load_si256(from + 1);
  UNROLL for (size_t i = 0; i < 2; i++) {
    levels[i] = with_magnitudes(_mm256_shuffle_epi8(table, _mm256_and_si256(low, half)),
                                _mm256_shuffle_epi8(table, _mm256_and_si256(high, half)));
    low = _mm256_srli_epi16(low, 4);
    high = _mm256_srli_epi16(high, 4);
  }
}

SIMD_INLINE ints scan_start(const martlet_scan_query *query) {
  (void)query;  // the rows' offset is gone
  return int_zeros();
}

SIMD_INLINE __m256i add_half(__m256i sums, __m256i levels, __m256i magnitudes, __m256i query) {
  __m256i pairs = _mm256_maddubs_epi16(magnitudes, _mm256_sign_epi8(query, levels));
  return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

SIMD_INLINE ints add_levels(ints sums, scan_levels of, const int8_t *query) {
  __m256i words = _mm256_set1_epi32(word_at(query));
  return (ints){add_half(sums.low, of.levels.low, of.magnitudes.low, words),
                add_half(sums.high, of.levels.high, of.magnitudes.high, words)};
}

SIMD_INLINE floats load_bfloat(const uint16_t *x) {
  __m128i low = _mm_loadu_si128((const __m128i *)x), high = _mm_loadu_si128((const __m128i *)x + 1);
  return (floats){_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(low), 16)),
                  _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(high), 16))};
}
