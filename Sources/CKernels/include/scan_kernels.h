// The passes of an exact vector search that read codes instead of values: codes of the rows are
// multiplied with the 8-bit codes of queries, and rows whose score could reach a query's threshold are
// reported with a bound that holds for the float32 score, rounding included. Whoever calls computes
// those scores.
//
// A tile holds 16 rows of n values, 64-byte aligned. Its codes are fine or coarse:
//   fine: [ceil(n / 4)][16 rows][4 columns] bytes, each a level + 128 (0 beyond n), then 16 floats each
//     of scale, error, norm, square;
//   coarse: [ceil(n / 8)][16 rows][4] bytes, of which the lower half is one of 16 levels for columns
//     0...3 of the group and the upper half for columns 4...7; then the same numbers as bfloat16.
// Row x is about x' = scale * level; error >= |x - x'|, norm >= |x| and >= |x'|, all in the Euclidean
// norm; square is |x|^2 to the nearest number.
#ifndef MARTLET_SCAN_KERNELS_H
#define MARTLET_SCAN_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

typedef enum {
  MARTLET_SCAN_FINE,    // 8 bits a value
  MARTLET_SCAN_COARSE,  // 4 bits
} martlet_scan_codes;

/// One query. A row's score lies within estimate +- slack, where
///   estimate = scale * row.scale * (product of levels) - square_weight * row.square
///   slack = error_weight * row.error + norm_weight * row.norm + square_slack * row.square + slack
typedef struct __attribute__((swift_attr("@Sendable"))) {
  const int8_t *codes;   // [8 * ceil(n / 8)], 0 beyond n
  int32_t code_sum;      // 128 * the sum of all codes
  float scale, square_weight;
  float error_weight, norm_weight, square_slack, slack;
} martlet_scan_query;

typedef struct {
  uint32_t row;          // from the first row of the first tile
  float estimate, upper;
} martlet_scan_hit;

typedef struct {
  martlet_scan_codes format;
  const uint8_t *tiles;
  size_t tile_count;
  size_t columns;                     // n
  const uint16_t *_Nullable allowed;  // [tile_count], a bit per row; NULL allows all
  const martlet_scan_query *queries;
  const float *thresholds;            // [query_count], rows whose upper bound is below are left out
  size_t query_count;
  martlet_scan_hit *hits;             // [query_count][16 * tile_count]
  size_t *hit_counts;                 // [query_count]
} martlet_scan;

/// Bytes of one tile.
size_t martlet_scan_tile_bytes(martlet_scan_codes format, size_t columns);
/// Puts x into row 0...15 of a tile.
void martlet_scan_encode(martlet_scan_codes format, const float *x, size_t columns, size_t row,
                         uint8_t *tile);
/// Codes of a query; what they are multiplied with is returned.
float martlet_scan_encode_query(const float *x, size_t columns, int8_t *codes);

/// Asks for a row's values, which will be read soon.
static inline void martlet_fetch_row(const float *x, size_t columns) {
  for (size_t i = 0; i < columns; i += 16) __builtin_prefetch(x + i);
}

#pragma clang assume_nonnull end
#endif
