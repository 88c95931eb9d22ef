// The loops around every product: panels of tiles, blocks of tokens, parts. The same for all
// instruction sets.
#include "product.h"

enum {
  PANEL_BYTES = 384 << 10,  // of weights; with a block of activations well within 1 MiB
  MOST_WIDTH = 16,          // no format's token block is larger
};

// One token alone waits for memory. In folds of codes for AVX-512 Intel's processors reach .6 (Emerald
// Rapids) to .9 (Ice Lake) of the bandwidth by themselves; asked a page of 4 KiB ahead, all of it on Ice
// Lake. Half and twice that are no better there, and were worse on Emerald Rapids. AMD's (Zen 4) lose a
// fifth to a third where they are asked.
static size_t fetched_ahead(const martlet_product *p) {
#if defined(__x86_64__)
  if (p->tokens == 1 && __builtin_cpu_is("intel")) return 4096;
#endif
  return 0;
}

// From how many tokens on unpacking once is quicker (Ice Lake). Among nf4's products look-ups cost as much
// as multiplying; int8 has nothing to unpack, and gains by three tiles at a time.
static size_t least_to_unpack_for(martlet_format format) {
  switch (format) {
    case MARTLET_NF4: return 9;
    case MARTLET_INT4:
    case MARTLET_INT4_STEPPED: return 40;
    case MARTLET_INT8: return 96;
    default: return SIZE_MAX;
  }
}

// Whether whatever a processor does to vectors of 512 bits takes the place of dot products of bytes.
static bool shares_ports_with_dots(void) {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_is("intel");
#else
  return false;
#endif
}

bool martlet_unpacks_once(martlet_format format, size_t tokens) {
  return tokens >= least_to_unpack_for(format) && shares_ports_with_dots();
}

size_t martlet_unit_tiles(martlet_format format, size_t tokens) {
  return martlet_unpacks_once(format, tokens) ? 3 : 2;
}

// The part of `count` tiles of `bytes` from `tile` on, or of one tile and its gate's. `cold`: no
// token has passed over them yet.
static product_part part_of(const martlet_product *p, size_t bytes, size_t tile, size_t count,
                            bool cold) {
  product_part part = {.format = p->format,
                       .columns = p->columns,
                       .tile_count = count,
                       .ahead = fetched_ahead(p)};
  for (size_t t = 0; t < count; t++) {
    part.tiles[t] = (const uint8_t *)p->weights + (tile + t) * bytes;
  }
  if (is_gated(p)) {
    part.tile_count = 2;
    part.tiles[1] = part.tiles[0];
    part.tiles[0] = (const uint8_t *)p->gate + tile * bytes;
  }
  for (size_t t = 0; t < part.tile_count && cold; t++) part.next[t] = part.tiles[t] + count * bytes;
  return part;
}

void martlet_multiply_in_parts(const martlet_product *p, size_t tile_begin, size_t tile_end,
                               size_t most_tiles, fold_function *fold, finish_function *finish) {
  float sums[PART_TILES * MOST_WIDTH * TILE] __attribute__((aligned(64)));
  bool finishes = p->bias || p->adds || p->pairs || p->activation != MARTLET_IDENTITY;
  size_t most = is_gated(p) ? 1 : most_tiles;
  size_t tile_bytes = martlet_tile_bytes(p->format, p->columns);
  size_t panel = round_up(PANEL_BYTES / (tile_bytes * (is_gated(p) ? 2 : 1)) + 1, most);
  size_t token_block = martlet_token_block(p->format);
  size_t block_bytes = prepared_block_bytes(p->format, p->columns);
  size_t pairs_bytes = prepared_block_bytes(MARTLET_BFLOAT16_PAIRS, p->rows);
  for (size_t begin = tile_begin, end; begin < tile_end; begin = end) {
    end = smaller(begin + panel, tile_end);
    for (size_t first = 0; first < p->tokens; first += token_block) {
      for (size_t tile = begin, count; tile < end; tile += count) {
        count = smaller(most, end - tile);
        product_part part = part_of(p, tile_bytes, tile, count, first == 0);
        float *output = p->pairs ? NULL : p->output + first * p->output_stride + tile * TILE;
        part.block = (const uint8_t *)p->prepared + first / token_block * block_bytes;
        part.width = smaller(token_block, p->tokens - first);
        if (p->pairs) part.pairs = (uint8_t *)p->pairs + first / token_block * pairs_bytes;
        part.output = finishes ? sums : output;
        part.token_step = finishes ? TILE : p->output_stride;
        part.tile_step = finishes ? part.width * TILE : TILE;
        part.rows = finishes ? part.tile_count * TILE : p->rows - tile * TILE;
        fold(&part);
        if (finishes) finish(p, &part, tile * TILE, output);
      }
    }
  }
}
