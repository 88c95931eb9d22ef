// Sizes and offsets of packed weights and prepared activations, shared by every kernel file. The
// layouts themselves are told in ckernels.h. Refuses nothing.
#ifndef MARTLET_LAYOUT_H
#define MARTLET_LAYOUT_H

#include "ckernels.h"

#define TILE MARTLET_TILE_ROWS
#define GROUP MARTLET_GROUP

enum {
  INT8_BLOCK_BYTES = 2 * 512 + 64,     // 64 columns
  INT4_BLOCK_BYTES = 2 * 256 + 64,     // 64 columns
  STEPPED_BLOCK_BYTES = 4 * 256 + 64,  // 128 columns
  STEPPED_HEAD_BYTES = 64,             // before a tile's blocks
  STEPPED_MOST = 127,                  // steps of a scale
  NF4_BLOCK_BYTES = 2 * 512 + 64,      // 128 columns
  INTEGER_TOKEN_BLOCK = 16,
  NF4_TOKEN_BLOCK = 8,
  FLOAT_TOKEN_BLOCK = 12,
};

// The search for int4 scales (quantize.c), and the peak below which a group counts as zero.
#define INT4_SEARCH_FIRST -8.0f
#define INT4_SEARCH_STEP 0.15f
#define INT4_SEARCH_STEPS 14
#define QUANTIZE_LEAST 1e-30f
#define INT4_SCALE_MOST 65024.0f  // STEPPED_MOST * 512: a float16, and so are its steps

// Of a group of activations: below this it counts as zero, so that products of scales stay normal; from here
// on it counts as infinite in int4, since its anchor would be.
#define ACTIVATION_LEAST 1e-20f
#define ACTIVATION_MOST 1e33f

// Rounds a row's finite float16 scales so that int4's stepped format holds them. What that loses is small
// beside what codes of 4 bits lose.
void martlet_step_scales(uint16_t *scales, size_t count);

// round(value * 32767) of the nf4 values: what the integer product computes with.
extern const int16_t martlet_nf4_integers[16];

static inline size_t divide_up(size_t n, size_t by) { return (n + by - 1) / by; }
static inline size_t round_up(size_t n, size_t to) { return divide_up(n, to) * to; }
static inline size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

static inline bool is_int4(martlet_format format) {
  return format == MARTLET_INT4 || format == MARTLET_INT4_STEPPED;
}

// Groups of 32 columns of a block of codes.
static inline size_t block_groups(martlet_format format) {
  return format == MARTLET_NF4 || format == MARTLET_INT4_STEPPED ? 4 : 2;
}

static inline size_t weight_blocks(martlet_format format, size_t columns) {
  return divide_up(columns, block_groups(format) * GROUP);
}

// Groups of 32 of a row's prepared activations, filled up to whole weight blocks.
static inline size_t padded_groups(martlet_format format, size_t columns) {
  return block_groups(format) * weight_blocks(format, columns);
}

static inline bool is_float_format(martlet_format format) {
  return format == MARTLET_FLOAT32 || format == MARTLET_FLOAT16 || format == MARTLET_BFLOAT16 ||
         format == MARTLET_BFLOAT16_PAIRS;
}

// Prepared activations of one token block of `width` tokens:
//   float formats: float [C][width]; bfloat16 pairs: bfloat16 [C / 32][width][32]
//   int8: int8 codes [G][width][32], float scales [G][width], int32 starts [G][width] of sums of
//     products, which undo the weights' offset: -128 times the sum of the codes
//   int4: the same with anchors in place of scales, which are powers of two here: a sum of integers
//     becomes a float without conversion. An anchor is 1.5 * 2^23 * scale, and its group's start is the
//     anchor's bits, -8 times the sum of the codes; adding 1 to it adds the scale to the float that it is.
//     What has been added to the start, read as a float, less the anchor, is scale * sum: exactly.
//   nf4: int16 codes [G][width][32], in each 8 the order 0 2 4 6 1 3 5 7, float scales [G][width]
static inline size_t prepared_token_bytes(martlet_format format, size_t columns) {
  if (format == MARTLET_BFLOAT16_PAIRS) return 2 * round_up(columns, GROUP);
  if (is_float_format(format)) return 4 * columns;
  size_t groups = padded_groups(format, columns);
  return format == MARTLET_NF4 ? groups * (64 + 4) : groups * (32 + 4 + 4);
}

static inline size_t prepared_block_bytes(martlet_format format, size_t columns) {
  return round_up(martlet_token_block(format) * prepared_token_bytes(format, columns), 64);
}

// Row `row` of activations prepared for products of pairs, [tokens][columns], from its group of 32
// columns `group` on; the next group is *step bytes further.
static inline size_t pair_row_at(size_t columns, size_t tokens, size_t row, size_t group,
                                 size_t *step) {
  size_t block = row / FLOAT_TOKEN_BLOCK, first = block * FLOAT_TOKEN_BLOCK;
  *step = 2 * GROUP * smaller(FLOAT_TOKEN_BLOCK, tokens - first);
  return block * prepared_block_bytes(MARTLET_BFLOAT16_PAIRS, columns) + group * *step +
         2 * GROUP * (row - first);
}

#endif
