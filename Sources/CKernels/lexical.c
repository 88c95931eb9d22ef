// Lexical search's inner loops in plain C: each is bound by memory or by division, and compilers
// make of them what there is to gain. Relies on little-endian memory.
#include "lexical_kernels.h"

#include <string.h>

#pragma STDC FP_CONTRACT OFF

void martlet_unpack_bits(const uint8_t *bytes, unsigned bits, size_t count, uint32_t *values) {
  uint64_t mask = ((uint64_t)1 << bits) - 1;
  for (size_t i = 0, at = 0; i < count; i++, at += bits) {
    uint64_t word;
    memcpy(&word, bytes + (at >> 3), sizeof word);
    values[i] = (uint32_t)((word >> (at & 7)) & mask);
  }
}

void martlet_unpack_rows(const uint8_t *bytes, unsigned bits, size_t count, uint32_t previous,
                         uint32_t *rows) {
  martlet_unpack_bits(bytes, bits, count, rows);
  for (size_t i = 0; i < count; i++) rows[i] = previous += rows[i] + 1;
}

static inline int32_t score(martlet_bm25 scorer, uint32_t frequency, uint32_t length) {
  float f = (float)(int32_t)frequency;
  float norm = scorer.constant + scorer.slope * (float)(int32_t)length;
  int32_t whole = (int32_t)(scorer.weight * f / (f + norm));
  return whole > 1 ? whole : 1;
}

int32_t martlet_bm25_score(martlet_bm25 scorer, uint32_t frequency, uint32_t length) {
  return score(scorer, frequency, length);
}

void martlet_bm25_add(martlet_bm25 scorer, const uint32_t *rows, const uint32_t *frequencies,
                      size_t count, const uint32_t *lengths, uint32_t base, int32_t *sums) {
  for (size_t i = 0; i < count; i++) {
    sums[rows[i] - base] += score(scorer, frequencies[i], lengths[rows[i]]);
  }
}

size_t martlet_take_greater(int32_t *sums, size_t count, int32_t least, uint32_t *indices,
                            int32_t *values) {
  size_t found = 0;
  for (size_t i = 0; i < count; i++) {
    indices[found] = (uint32_t)i;
    values[found] = sums[i];
    found += sums[i] > least;
  }
  memset(sums, 0, count * sizeof *sums);
  return found;
}
