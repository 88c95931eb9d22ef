// Products of codes with many tokens, for processors on which every vector operation takes the place of
// a dot product (Intel's): a strip of three tiles is unpacked once, to bytes (nf4: to 16-bit integers) and
// floats that stay in the first-level cache, and all tokens pass over it, four at a time. That makes
// twelve chains of additions, and leaves two operations beside a group's 8 dot products (int8: three,
// nf4: three beside 16): 8 / 10 of the peak is the most to be had. Sums wait in memory from strip to
// strip. Activations don't fit the second-level cache, nor does the output: each pass fetches what the
// next one reads, and what is going to be written. Equal to the oracle bit for bit.

enum {
  STRIP_TILES = 3,
  STRIP_WORDS = 128,        // four bytes of each row: 512 columns, or 256 of nf4
  STRIP_MOST_TOKENS = 256,  // their sums, 48 KiB of a matrix, lie on the stack
};

typedef struct {
  uint8_t codes[STRIP_TILES][STRIP_WORDS][64];
  float scales[STRIP_TILES][STRIP_WORDS / 8][TILE];  // of each group
} unpacked_strip;

typedef float strip_sums[STRIP_TILES][STRIP_MOST_TOKENS][TILE];

// Some tiles of a product times some of its tokens, from `first` on, which begin a block.
typedef struct {
  const martlet_product *product;
  size_t tile, tile_count;
  size_t first, tokens;
} strip_part;

// Words of a group of 32 columns.
SIMD_INLINE size_t group_words(martlet_format format) { return format == MARTLET_NF4 ? 16 : 8; }

// A group's codes as products take them.
SIMD_INLINE void unpack_group(martlet_format format, const uint8_t *codes, uint8_t to[][64]) {
  UNROLL for (size_t j = 0; j < 4; j++) {
    __m512i w[4];
    size_t count = format == MARTLET_NF4 ? 4 : 2;
    if (format == MARTLET_NF4) {
      __m512i four = _mm512_loadu_si512(codes + 64 * j);
      UNROLL for (size_t step = 0; step < 4; step++) w[step] = look_up(nf4_values(), four, step);
    } else {
      unpack(format, codes, j, w);
    }
    UNROLL for (size_t i = 0; i < count; i++) _mm512_store_si512(to[count * j + i], w[i]);
  }
}

// The groups [first, first + count) of one tile into a strip's tile t.
SIMD_INLINE void unpack_tile(martlet_format format, const uint8_t *tile, size_t first, size_t count,
                             size_t t, unpacked_strip *strip) {
  const bool stepped = format == MARTLET_INT4_STEPPED;
  const size_t code_bytes = format == MARTLET_INT8 ? 512 : 256, per_block = block_groups(format);
  __m512 steps = stepped ? load((const float *)tile) : zeros();
  if (stepped) tile += STEPPED_HEAD_BYTES;
  for (size_t g = 0; g < count; g++) {
    size_t within = (first + g) % per_block;
    const uint8_t *block = tile + (first + g) / per_block * (per_block * code_bytes + 64);
    const uint8_t *scales = block + per_block * code_bytes;
    scales += format == MARTLET_NF4 ? within / 2 * 32 : within * (64 / per_block);
    unpack_group(format, block + within * code_bytes, strip->codes[t] + g * group_words(format));
    store(strip->scales[t][g], row_scales(format, scales, steps));
  }
}

SIMD static void unpack_any_tile(martlet_format format, const uint8_t *tile, size_t first,
                                 size_t count, size_t t, unpacked_strip *strip) {
  switch (format) {
    case MARTLET_INT4: unpack_tile(MARTLET_INT4, tile, first, count, t, strip); break;
    case MARTLET_INT4_STEPPED:
      unpack_tile(MARTLET_INT4_STEPPED, tile, first, count, t, strip);
      break;
    case MARTLET_NF4: unpack_tile(MARTLET_NF4, tile, first, count, t, strip); break;
    default: unpack_tile(MARTLET_INT8, tile, first, count, t, strip); break;
  }
}

// A block's prepared activations from some token and group on, for one pass.
typedef struct {
  const uint8_t *x;       // a token's words of a group lie in a row
  const float *scales;    // int4's are anchors (layout.h)
  const int32_t *starts;  // none of nf4
  ptrdiff_t next_x, next_scale;  // bytes from a token's to those of the pass that follows
} strip_tokens;

SIMD_INLINE strip_tokens strip_tokens_of(martlet_format format, const product_part *block,
                                         size_t token, size_t tokens, size_t group) {
  size_t skipped = group * block->width, token_bytes = 4 * group_words(format);
  strip_tokens pass;
  if (format == MARTLET_NF4) {
    nf4_tokens from = nf4_tokens_of(block, token);
    pass.x = (const uint8_t *)(from.x + skipped * GROUP);
    pass.scales = from.scales + skipped;
    pass.starts = NULL;
  } else {
    integer_tokens from = integer_tokens_of(block, token);
    pass.x = (const uint8_t *)from.x + skipped * GROUP;
    pass.scales = from.scales + skipped;
    pass.starts = from.starts + skipped;
  }
  ptrdiff_t block_bytes = (ptrdiff_t)prepared_block_bytes(block->format, block->columns);
  bool ends = token + tokens == block->width;  // then the next block's first tokens follow
  pass.next_x = ends ? block_bytes - (ptrdiff_t)(token * token_bytes) : (ptrdiff_t)(tokens * token_bytes);
  pass.next_scale = ends ? block_bytes - (ptrdiff_t)(token * 4) : (ptrdiff_t)(tokens * 4);
  return pass;
}

// What the next pass reads of its group at the same place.
SIMD_INLINE void fetch_next_pass(martlet_format format, size_t tokens, const strip_tokens *pass) {
  UNROLL for (size_t i = 0; i < tokens * 4 * group_words(format); i += 64) {
    __builtin_prefetch(pass->x + pass->next_x + i, 0, 3);
  }
  __builtin_prefetch((const uint8_t *)pass->scales + pass->next_scale, 0, 3);
  if (format != MARTLET_NF4) {
    __builtin_prefetch((const uint8_t *)pass->starts + pass->next_scale, 0, 3);
  }
}

SIMD_INLINE __m512i add_word_lanes(martlet_format format, __m512i sums, __m512i w, __m512i x) {
  if (format != MARTLET_NF4) return _mm512_dpbusd_epi32(sums, w, x);
  __asm__("vpdpwssd %2, %1, %0" : "+v"(sums) : "v"(w), "v"(x));  // see add_word_products
  return sums;
}

// The tokens' products with a strip's first `groups` groups onto the sums of tile 0, which begin at
// `sums`; those of tile t are t * STRIP_MOST_TOKENS * TILE further. `begins`: into them, at the first strip.
SIMD_INLINE void fold_strip(martlet_format format, size_t tiles, size_t tokens,
                            const unpacked_strip *strip, size_t groups, strip_tokens from,
                            size_t width, bool begins, float *sums) {
  const size_t tile_step = STRIP_MOST_TOKENS * TILE, words = group_words(format);
  __m512 total[STRIP_TILES][SIDE_TOKENS];
  UNROLL for (size_t n = 0; n < tokens; n++) {
    UNROLL for (size_t t = 0; t < tiles; t++) {
      total[t][n] = begins ? zeros() : load(sums + t * tile_step + n * TILE);
    }
  }
  for (size_t g = 0; g < groups; g++) {
    fetch_next_pass(format, tokens, &from);
    __m512i dots[STRIP_TILES][SIDE_TOKENS];
    UNROLL for (size_t n = 0; n < tokens; n++) {
      __m512i start = broadcast_int(format == MARTLET_NF4 ? 0 : from.starts[n]);
      UNROLL for (size_t t = 0; t < tiles; t++) dots[t][n] = start;
    }
    UNROLL for (size_t j = 0; j < words; j++) {
      __m512i w[STRIP_TILES];
      UNROLL for (size_t t = 0; t < tiles; t++) {
        w[t] = _mm512_load_si512(strip->codes[t][words * g + j]);
      }
      UNROLL for (size_t n = 0; n < tokens; n++) {
        __m512i x = word_lanes(from.x + 4 * (words * n + j));
        UNROLL for (size_t t = 0; t < tiles; t++) {
          dots[t][n] = add_word_lanes(format, dots[t][n], w[t], x);
        }
      }
    }
    UNROLL for (size_t t = 0; t < tiles; t++) {
      __m512 scale = load(strip->scales[t][g]);
      UNROLL for (size_t n = 0; n < tokens; n++) {
        __m512 token_scale = broadcast(from.scales[n]);
        if (is_int4(format)) {
          total[t][n] = fused(without_anchor(dots[t][n], token_scale), scale, total[t][n]);
        } else {
          total[t][n] = fused(from_ints(dots[t][n]), multiply(scale, token_scale), total[t][n]);
        }
      }
    }
    from.x += 4 * words * width;
    from.scales += width;
    if (format != MARTLET_NF4) from.starts += width;
  }
  UNROLL for (size_t n = 0; n < tokens; n++) {
    UNROLL for (size_t t = 0; t < tiles; t++) store(sums + t * tile_step + n * TILE, total[t][n]);
  }
}

SIMD_INLINE void fold_strip_tokens(martlet_format format, size_t tiles, size_t tokens,
                                   const unpacked_strip *strip, size_t groups, strip_tokens from,
                                   size_t width, bool begins, float *sums) {
  switch (tokens) {
    case 4: fold_strip(format, tiles, 4, strip, groups, from, width, begins, sums); break;
    case 3: fold_strip(format, tiles, 3, strip, groups, from, width, begins, sums); break;
    case 2: fold_strip(format, tiles, 2, strip, groups, from, width, begins, sums); break;
    default: fold_strip(format, tiles, 1, strip, groups, from, width, begins, sums); break;
  }
}

// What passes fetch: of the tiles that come next, into the second-level cache, `step` lines each; and, where
// the block is going to be finished, the place of its tokens in the output.
typedef struct {
  const uint8_t *at, *end;
  size_t step;
  const float *output;  // or NULL
  size_t output_stride;
} strip_fetch;

SIMD_INLINE void fetch_step(strip_fetch *fetch, size_t tiles, size_t tokens) {
  for (size_t i = 0; i < fetch->step && fetch->at < fetch->end; i++, fetch->at += 64) {
    __builtin_prefetch(fetch->at, 0, 2);
  }
  if (fetch->output == NULL) return;
  for (size_t n = 0; n < tokens; n++, fetch->output += fetch->output_stride) {
    for (size_t t = 0; t < tiles; t++) __builtin_prefetch(fetch->output + t * TILE, 1, 3);
  }
}

// A block of tokens; `first` is the strip's first group of the row.
SIMD_INLINE void fold_strip_block(martlet_format format, size_t tiles, const unpacked_strip *strip,
                                  size_t first, size_t groups, const product_part *block,
                                  float *sums, strip_fetch *fetch) {
  size_t width = block->width, passes = divide_up(width, SIDE_TOKENS);
  bool begins = first == 0;
  for (size_t n = 0, tokens; n < width; n += tokens, passes--, sums += tokens * TILE) {
    tokens = divide_up(width - n, passes);
    strip_tokens from = strip_tokens_of(format, block, n, tokens, first);
    fetch_step(fetch, tiles, tokens);
    switch (tiles) {
      case 3: fold_strip_tokens(format, 3, tokens, strip, groups, from, width, begins, sums); break;
      case 2: fold_strip_tokens(format, 2, tokens, strip, groups, from, width, begins, sums); break;
      default: fold_strip_tokens(format, 1, tokens, strip, groups, from, width, begins, sums); break;
    }
  }
}

SIMD static void fold_any_strip_block(size_t tiles, const unpacked_strip *strip, size_t first,
                                      size_t groups, const product_part *block, float *sums,
                                      strip_fetch *fetch) {
  switch (block->format) {
    case MARTLET_INT4:
    case MARTLET_INT4_STEPPED:  // an unpacked strip is the same
      fold_strip_block(MARTLET_INT4, tiles, strip, first, groups, block, sums, fetch);
      break;
    case MARTLET_NF4:
      fold_strip_block(MARTLET_NF4, tiles, strip, first, groups, block, sums, fetch);
      break;
    default:
      fold_strip_block(MARTLET_INT8, tiles, strip, first, groups, block, sums, fetch);
      break;
  }
}

// The block that begins at token `first`.
SIMD_INLINE product_part strip_block(const martlet_product *p, size_t first) {
  size_t bytes = prepared_block_bytes(p->format, p->columns);
  size_t per_block = martlet_token_block(p->format);
  return (product_part){
      .format = p->format,
      .columns = p->columns,
      .block = (const uint8_t *)p->prepared + first / per_block * bytes,
      .width = smaller(per_block, p->tokens - first),
  };
}

// The part's first row of the output of its token `first`.
SIMD_INLINE float *output_of(const strip_part *part, size_t first) {
  const martlet_product *p = part->product;
  return p->output + (part->first + first) * p->output_stride + part->tile * TILE;
}

// What follows the products of the part's block at token `first`: `sums` are the gates', where there are
// any, then the weights'.
SIMD static void finish_strip_block(const strip_part *part, size_t first, strip_sums sums[2]) {
  const martlet_product *p = part->product;
  product_part block = strip_block(p, part->first + first);
  float *output = output_of(part, first);
  for (size_t t = 0; t < part->tile_count; t++) {
    block.tile_count = 1;
    block.output = sums[is_gated(p) ? 0 : 1][t][first];
    block.tile_step = STRIP_TILES * STRIP_MOST_TOKENS * TILE;
    finish_rows(p, &block, (part->tile + t) * TILE, output + t * TILE);
  }
}

// One of a part's two matrices, or its only one.
typedef struct {
  const uint8_t *tiles;  // the part's
  const uint8_t *next;   // as many tiles that are to be fetched meanwhile, or NULL
  bool is_last;          // nothing is left to do but to finish
} strip_matrix;

SIMD static void fold_strips(const strip_part *part, const strip_matrix *matrix,
                             strip_sums sums[2]) {
  const martlet_product *p = part->product;
  martlet_format format = p->format;
  size_t bytes = martlet_tile_bytes(format, p->columns);
  size_t per_block = martlet_token_block(format);
  size_t groups = padded_groups(format, p->columns), most = STRIP_WORDS / group_words(format);
  size_t passes = divide_up(groups, most) * divide_up(part->tokens, SIDE_TOKENS);
  strip_fetch fetch = {.output_stride = p->output_stride};
  if (matrix->next) {
    size_t lines = part->tile_count * bytes / 64;
    fetch.at = matrix->next;
    fetch.end = matrix->next + lines * 64;
    fetch.step = divide_up(lines, passes);
  }
  float(*own)[STRIP_MOST_TOKENS][TILE] = sums[matrix->is_last];
  unpacked_strip strip __attribute__((aligned(64)));
  for (size_t g = 0, count; g < groups; g += count) {
    count = smaller(most, groups - g);
    for (size_t t = 0; t < part->tile_count; t++) {
      unpack_any_tile(format, matrix->tiles + t * bytes, g, count, t, &strip);
    }
    for (size_t n = 0; n < part->tokens; n += per_block) {
      product_part block = strip_block(p, part->first + n);
      bool finishes = matrix->is_last && g + count == groups;
      if (finishes) fetch.output = output_of(part, n);
      fold_any_strip_block(part->tile_count, &strip, g, count, &block, own[0][n], &fetch);
      if (finishes) finish_strip_block(part, n, sums);
    }
  }
}

SIMD static void multiply_strips(const martlet_product *p, size_t tile_begin, size_t tile_end) {
  strip_sums sums[2] __attribute__((aligned(64)));
  size_t bytes = martlet_tile_bytes(p->format, p->columns);
  for (size_t tile = tile_begin, count; tile < tile_end; tile += count) {
    count = smaller(STRIP_TILES, tile_end - tile);
    const uint8_t *tiles = (const uint8_t *)p->weights + tile * bytes;
    const uint8_t *gates = is_gated(p) ? (const uint8_t *)p->gate + tile * bytes : NULL;
    for (size_t first = 0; first < p->tokens; first += STRIP_MOST_TOKENS) {
      strip_part part = {p, tile, count, first, smaller(STRIP_MOST_TOKENS, p->tokens - first)};
      if (gates) {
        strip_matrix gate = {.tiles = gates, .next = tiles};
        fold_strips(&part, &gate, sums);
      }
      // Earlier, the activations of the tokens that are left would drive them out again.
      bool ends = first + part.tokens == p->tokens;
      const uint8_t *next = (gates ? gates : tiles) + count * bytes;
      strip_matrix weights = {.tiles = tiles, .next = ends ? next : NULL, .is_last = true};
      fold_strips(&part, &weights, sums);
    }
  }
}
