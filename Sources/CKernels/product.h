// How a product is cut into parts, each a few tiles times one block of tokens, which the inner loop
// of an instruction set (its "fold") computes. Relies on the layouts of ckernels.h and layout.h.
#ifndef MARTLET_PRODUCT_H
#define MARTLET_PRODUCT_H

#include "layout.h"

enum { PART_TILES = 4 };

typedef struct {
  martlet_format format;
  size_t columns;
  const uint8_t *tiles[PART_TILES];
  const uint8_t *next[PART_TILES];  // the part's after this one, where they are still in memory
  size_t ahead;                     // bytes that one token's own codes are asked for ahead, or 0
  size_t tile_count;
  const uint8_t *block;             // prepared activations of `width` tokens
  size_t width;
  float *output;                    // token n's 16 values of tile t:
  size_t token_step, tile_step;     //   output + n * token_step + t * tile_step
  size_t rows;                      // to be written, counted from the first tile's first row
  uint8_t *pairs;                   // the product's, from the part's block of tokens on; or NULL
} product_part;

static inline bool is_gated(const martlet_product *p) {
  return p->activation >= MARTLET_GATED_SILU;
}

/// Writes the products of a part to its output.
typedef void fold_function(const product_part *part);
/// Takes the sums of a part that begins at `row`, [tiles][width][16], from its output; adds biases,
/// applies the activation, and writes or adds what comes of it to the product's own `output`, or
/// writes it to the part's pairs.
typedef void finish_function(const martlet_product *product, const product_part *part, size_t row,
                             float *output);

/// The oracle's; folds any number of tiles.
fold_function portable_fold;
finish_function portable_finish;

/// Whether a product of codes is quicker where its weights are unpacked once for all tokens, instead of
/// among the dot products of a few. So it is for many tokens on Intel's processors, whose dot products
/// share two ports with everything else; on AMD's (Zen 4) unpacking and scaling run beside them.
bool martlet_unpacks_once(martlet_format format, size_t tokens);

/// Runs `fold` over all tokens and the tiles [tile_begin, tile_end), at most `most_tiles` at a time,
/// and `finish` where there is anything to do but to write. Tiles go through in panels that stay in
/// the second-level cache while all tokens pass over them.
void martlet_multiply_in_parts(const martlet_product *product, size_t tile_begin, size_t tile_end,
                               size_t most_tiles, fold_function *fold, finish_function *finish);

#endif
