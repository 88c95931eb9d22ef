// What lexical search spends its time on: unpacking postings, adding up BM25, finding the rows that
// can still win. Scores are whole numbers, so that sums don't depend on the order of additions.
// Refuses nothing: sizes and pointers are the caller's promise.
#ifndef MARTLET_LEXICAL_KERNELS_H
#define MARTLET_LEXICAL_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/// What a word adds to the score of a row that has it `f` times and is `length` words long:
/// weight * f / (f + constant + slope * length), cut to a whole number of at least 1.
typedef struct {
  float weight, constant, slope;
} martlet_bm25;

/// values[i] = bits [i * bits, (i + 1) * bits) of the bytes, lowest first; bits is 0...32. Reads up
/// to 8 bytes beyond the last value.
void martlet_unpack_bits(const uint8_t *bytes, unsigned bits, size_t count, uint32_t *values);
/// Rows from packed gaps: each is the one before it plus the gap plus 1, the first one follows
/// `previous` (which is UINT32_MAX where nothing comes before).
void martlet_unpack_rows(const uint8_t *bytes, unsigned bits, size_t count, uint32_t previous,
                         uint32_t *rows);

int32_t martlet_bm25_score(martlet_bm25 scorer, uint32_t frequency, uint32_t length);
/// sums[rows[i] - base] += the score of row rows[i], whose length is lengths[rows[i]].
void martlet_bm25_add(martlet_bm25 scorer, const uint32_t *rows, const uint32_t *frequencies,
                      size_t count, const uint32_t *lengths, uint32_t base, int32_t *sums);
/// The indices of sums greater than `least`, ascending; how many there are. Sums are zeroed.
size_t martlet_take_greater(int32_t *sums, size_t count, int32_t least, uint32_t *indices,
                            int32_t *values);

#pragma clang assume_nonnull end
#endif
