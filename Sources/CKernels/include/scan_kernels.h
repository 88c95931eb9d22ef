// The first pass of an exact vector search: 8-bit codes of the rows are multiplied with the 8-bit
// codes of queries, and rows whose score could reach a query's threshold are reported with bounds
// that hold for the float32 score, rounding included. Whoever calls computes those scores.
//
// A tile holds 16 rows of n values, 64-byte aligned:
//   [ceil(n / 4)][16 rows][4 values] codes, stored as code + 128 (0 beyond n),
//   16 each of: scale, error, norm, square.
// Row x is about scale * code; error >= |x - scale * code|, norm >= |x| and >= |scale * code|, all
// in the Euclidean norm; square is |x|^2 to the nearest float.
#ifndef MARTLET_SCAN_KERNELS_H
#define MARTLET_SCAN_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/// One query. A row's score lies within estimate +- slack, where
///   estimate = scale * row.scale * (product of codes) - square_weight * row.square
///   slack = error_weight * row.error + norm_weight * row.norm + square_slack * row.square + slack
typedef struct __attribute__((swift_attr("@Sendable"))) {
  const int8_t *codes;   // [4 * ceil(n / 4)], 0 beyond n
  int32_t code_sum;      // 128 * the sum of all codes
  float scale, square_weight;
  float error_weight, norm_weight, square_slack, slack;
  float threshold;       // rows whose upper bound is below it are left out
} martlet_scan_query;

typedef struct {
  uint32_t row;          // from the first row of the first tile
  float lower, upper;
} martlet_scan_hit;

typedef struct {
  const uint8_t *tiles;
  size_t tile_count;
  size_t columns;                     // n
  const uint16_t *_Nullable allowed;  // [tile_count], a bit per row; NULL allows all
  const martlet_scan_query *queries;
  size_t query_count;
  martlet_scan_hit *hits;             // [query_count][16 * tile_count]
  size_t *hit_counts;                 // [query_count]
} martlet_scan;

/// Bytes of one tile.
size_t martlet_scan_tile_bytes(size_t columns);
/// Puts x into row 0...15 of a tile.
void martlet_scan_encode(const float *x, size_t columns, size_t row, uint8_t *tile);
/// Codes of a query; what it is multiplied with is returned.
float martlet_scan_encode_query(const float *x, size_t columns, int8_t *codes);

#pragma clang assume_nonnull end
#endif
