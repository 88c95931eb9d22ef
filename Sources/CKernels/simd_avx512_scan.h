// The products of a vector search's scan for AVX-512: unsigned levels of the rows times signed codes
// of the query; the rows' offset of 128 is taken off where a sum starts.

enum { SCAN_QUERIES = 8, SCAN_CHAINS = 4 };

typedef __m512i scan_levels;

SIMD_INLINE scan_levels load_levels(const uint8_t *codes) { return _mm512_load_si512(codes); }

// Of columns 0...3 and 4...7 of a group.
SIMD_INLINE void load_coarse_levels(const uint8_t *codes, scan_levels levels[2]) {
  const __m512i half = _mm512_set1_epi8(15);
  __m512i table = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)martlet_scan_levels));
  table = _mm512_xor_si512(table, _mm512_set1_epi8((char)0x80));
  __m512i two = _mm512_load_si512(codes);
  levels[0] = _mm512_shuffle_epi8(table, _mm512_and_si512(two, half));
  levels[1] = _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(two, 4), half));
}

SIMD_INLINE ints scan_start(const martlet_scan_query *query) {
  return _mm512_set1_epi32(-query->code_sum);
}

SIMD_INLINE ints add_levels(ints sums, scan_levels levels, const int8_t *query) {
  return add_products(MARTLET_INT8, sums, levels, word_lanes(query));
}

SIMD_INLINE floats load_bfloat(const uint16_t *x) { return load_bfloat_first(x, 16); }
