// The loops around every product: panels of tiles, blocks of tokens, parts; and what is done to a
// part's sums before they are written (bias, activation, addition). The same for all instruction
// sets.
#include "product.h"

#include <string.h>

enum {
  PANEL_BYTES = 384 << 10,  // of weights; with a block of activations well within 1 MiB
  MOST_WIDTH = 16,          // no format's token block is larger
};

static bool is_gated(const martlet_product *p) { return p->activation >= MARTLET_GATED_SILU; }

static void activate(martlet_activation activation, float *x, size_t count,
                     const martlet_kernels *table) {
  if (activation == MARTLET_SILU) table->silu(x, count, x);
  if (activation == MARTLET_GELU) table->gelu(x, count, x);
  if (activation == MARTLET_GELU_TANH) table->gelu_tanh(x, count, x);
}

// f(gate) * y into the gate's place.
static void apply_gate(martlet_activation activation, float *gate, const float *y, size_t count,
                       const martlet_kernels *table) {
  if (activation == MARTLET_GATED_SILU) {
    table->silu_multiply(gate, y, count, gate);
    return;
  }
  activate(activation == MARTLET_GATED_GELU ? MARTLET_GELU : MARTLET_GELU_TANH, gate, count, table);
  table->multiply_values(gate, y, count, gate);
}

// Sums of a part on their way to the output: [tiles][width][16].
static void add_bias(const float *bias, size_t rows, size_t width, float *sums) {
  for (size_t n = 0; n < width; n++) {
    for (size_t r = 0; r < rows; r++) sums[n * TILE + r] = sums[n * TILE + r] + bias[r];
  }
}

static void write_tile(const martlet_product *p, const float *sums, size_t rows, size_t width,
                       float *output) {
  for (size_t n = 0; n < width; n++, sums += TILE, output += p->output_stride) {
    if (p->adds) {
      for (size_t r = 0; r < rows; r++) output[r] = output[r] + sums[r];
    } else {
      memcpy(output, sums, rows * sizeof(float));
    }
  }
}

// Bias, activation, and into the output, for a part that begins at `row`.
static void finish(const martlet_product *p, const product_part *part, size_t row, float *output,
                   const martlet_kernels *table) {
  size_t count = part->width * TILE;
  float *sums = part->output;
  if (is_gated(p)) {
    size_t rows = smaller(TILE, p->rows - row);
    if (p->gate_bias) add_bias(p->gate_bias + row, rows, part->width, sums);
    if (p->bias) add_bias(p->bias + row, rows, part->width, sums + part->tile_step);
    apply_gate(p->activation, sums, sums + part->tile_step, count, table);
    write_tile(p, sums, rows, part->width, output);
    return;
  }
  for (size_t t = 0; t < part->tile_count; t++, sums += part->tile_step, row += TILE) {
    size_t rows = smaller(TILE, p->rows - row);
    if (p->bias) add_bias(p->bias + row, rows, part->width, sums);
    activate(p->activation, sums, count, table);
    write_tile(p, sums, rows, part->width, output + t * TILE);
  }
}

// The part of `count` tiles from `tile` on, or of one tile and its gate's.
static product_part part_of(const martlet_product *p, size_t tile, size_t count) {
  size_t bytes = martlet_tile_bytes(p->format, p->columns);
  product_part part = {.format = p->format, .columns = p->columns, .tile_count = count};
  for (size_t t = 0; t < count; t++) {
    part.tiles[t] = (const uint8_t *)p->weights + (tile + t) * bytes;
  }
  if (is_gated(p)) {
    part.tile_count = 2;
    part.tiles[1] = part.tiles[0];
    part.tiles[0] = (const uint8_t *)p->gate + tile * bytes;
  }
  return part;
}

void martlet_multiply_in_parts(const martlet_product *p, size_t tile_begin, size_t tile_end,
                               size_t most_tiles, void (*fold)(const product_part *part),
                               const martlet_kernels *table) {
  float sums[PART_TILES * MOST_WIDTH * TILE] __attribute__((aligned(64)));
  bool finishes = p->bias || p->adds || p->activation != MARTLET_IDENTITY;
  size_t most = is_gated(p) ? 1 : most_tiles;
  size_t tile_bytes = martlet_tile_bytes(p->format, p->columns) * (is_gated(p) ? 2 : 1);
  size_t panel = round_up(PANEL_BYTES / tile_bytes + 1, most);
  size_t token_block = martlet_token_block(p->format);
  size_t block_bytes = prepared_block_bytes(p->format, p->columns);
  for (size_t begin = tile_begin, end; begin < tile_end; begin = end) {
    end = smaller(begin + panel, tile_end);
    for (size_t first = 0; first < p->tokens; first += token_block) {
      for (size_t tile = begin, count; tile < end; tile += count) {
        count = smaller(most, end - tile);
        product_part part = part_of(p, tile, count);
        float *output = p->output + first * p->output_stride + tile * TILE;
        part.block = (const uint8_t *)p->prepared + first / token_block * block_bytes;
        part.width = smaller(token_block, p->tokens - first);
        part.output = finishes ? sums : output;
        part.token_step = finishes ? TILE : p->output_stride;
        part.tile_step = finishes ? part.width * TILE : TILE;
        part.rows = finishes ? part.tile_count * TILE : p->rows - tile * TILE;
        fold(&part);
        if (finishes) finish(p, &part, tile * TILE, output, table);
      }
    }
  }
}
