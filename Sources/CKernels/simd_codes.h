// Which of many bytes are in a set: the low half of a byte chooses one of 16 entries, whose bits say
// with which high halves it is in the set. A shuffle of bytes is the lookup; it gives 0 where the
// highest bit is set, so that each of the two tables is asked for its own half of the bytes.

typedef struct {
  __m256i low, high;  // bytes 0...127, bytes 128...255
} code_set;

SIMD_INLINE code_set code_set_of(const uint8_t *passing) {
  uint8_t low[32] = {0}, high[32] = {0};
  for (int code = 0; code < 256; code++) {
    uint8_t *entries = code < 128 ? low : high;
    if (passing[code]) {
      entries[code % 16] |= (uint8_t)(1 << code / 16 % 8);
      entries[code % 16 + 16] = entries[code % 16];
    }
  }
  return (code_set){.low = _mm256_loadu_si256((const __m256i *)low),
                    .high = _mm256_loadu_si256((const __m256i *)high)};
}

// Of 32 bytes.
SIMD_INLINE uint32_t members(code_set set, __m256i codes) {
  const __m256i bits = _mm256_set1_epi64x((int64_t)0x8040201008040201);
  __m256i other = _mm256_xor_si256(codes, _mm256_set1_epi8((char)0x80));
  __m256i entries = _mm256_or_si256(_mm256_shuffle_epi8(set.low, codes),
                                    _mm256_shuffle_epi8(set.high, other));
  __m256i halves = _mm256_and_si256(_mm256_srli_epi16(codes, 4), _mm256_set1_epi8(15));
  __m256i bit = _mm256_shuffle_epi8(bits, halves);
  return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_and_si256(entries, bit), bit));
}

SIMD static void simd_select_codes(const uint8_t *codes, size_t count, const uint8_t *passing,
                                   uint64_t *rows) {
  code_set set = code_set_of(passing);
  size_t first = 0;
  for (; first + 64 <= count; first += 64) {
    const __m256i *from = (const __m256i *)(codes + first);
    rows[first / 64] = members(set, _mm256_loadu_si256(from)) |
                       (uint64_t)members(set, _mm256_loadu_si256(from + 1)) << 32;
  }
  if (first < count) portable_select_codes(codes + first, count - first, passing, rows + first / 64);
}
