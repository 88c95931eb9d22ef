// The products of a vector search's first pass for AVX2: the rows' codes become magnitudes, which are
// unsigned bytes, and their signs go to the query's codes; two products of 127 * 127 fit 16 bits.

enum { SCAN_QUERIES = 4, SCAN_CHAINS = 2 };

typedef struct {
  ints codes, magnitudes;
} scan_codes;

SIMD_INLINE scan_codes load_codes(const uint8_t *codes) {
  const __m256i *from = (const __m256i *)codes;
  __m256i offset = _mm256_set1_epi8((char)0x80);
  __m256i low = _mm256_xor_si256(_mm256_load_si256(from), offset);
  __m256i high = _mm256_xor_si256(_mm256_load_si256(from + 1), offset);
  return (scan_codes){.codes = {low, high},
                      .magnitudes = {_mm256_abs_epi8(low), _mm256_abs_epi8(high)}};
}

SIMD_INLINE ints scan_start(const martlet_scan_query *query) {
  (void)query;  // the rows' offset is gone
  return int_zeros();
}

SIMD_INLINE __m256i add_half(__m256i sums, __m256i codes, __m256i magnitudes, __m256i query) {
  __m256i pairs = _mm256_maddubs_epi16(magnitudes, _mm256_sign_epi8(query, codes));
  return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

SIMD_INLINE ints add_codes(ints sums, scan_codes of, const int8_t *query) {
  __m256i words = _mm256_set1_epi32(word_at(query));
  return (ints){add_half(sums.low, of.codes.low, of.magnitudes.low, words),
                add_half(sums.high, of.codes.high, of.magnitudes.high, words)};
}
