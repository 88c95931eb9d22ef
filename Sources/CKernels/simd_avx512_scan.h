// The products of a vector search's first pass for AVX-512: unsigned codes of the rows times signed
// codes of the query; the rows' offset of 128 is taken off where a sum starts.

enum { SCAN_QUERIES = 8, SCAN_CHAINS = 4 };

typedef __m512i scan_codes;

SIMD_INLINE scan_codes load_codes(const uint8_t *codes) { return _mm512_load_si512(codes); }

SIMD_INLINE ints scan_start(const martlet_scan_query *query) {
  return _mm512_set1_epi32(-query->code_sum);
}

SIMD_INLINE ints add_codes(ints sums, scan_codes codes, const int8_t *query) {
  return add_products(MARTLET_INT8, sums, codes, word_lanes(query));
}
