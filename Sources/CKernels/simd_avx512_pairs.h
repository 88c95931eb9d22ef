// Products of bfloat16 with bfloat16, summed in float32 (AVX512-BF16's vdpbf16ps): two columns at a
// time, twice as many multiplications per instruction as in float32. One accumulator per tile and
// token; how many of them a loop serves changes nothing in any one. Included by tables whose target
// has the instruction (simd_table.h).

enum { FETCH_AHEAD = 512 };  // bytes of a tile

SIMD_INLINE void fold_pairs_of(size_t tiles, size_t tokens, const product_part *p, size_t first) {
  floats sums[FLOAT_TILES][FLOAT_TOKENS];
  UNROLL for (size_t t = 0; t < tiles; t++) {
    UNROLL for (size_t n = 0; n < tokens; n++) sums[t][n] = zeros();
  }
  const uint8_t *ahead[FLOAT_TILES];
  UNROLL for (size_t t = 0; t < tiles; t++) {
    ahead[t] = p->next[t] ? p->next[t] : p->tiles[t] + FETCH_AHEAD;
  }
  const uint32_t *x = (const uint32_t *)p->block + 16 * first;  // [C / 32][width][16]
  size_t pairs = divide_up(p->columns, 2);
  for (size_t k = 0; k < pairs; k++) {
    __m512bh w[FLOAT_TILES];
    UNROLL for (size_t t = 0; t < tiles; t++) {
      w[t] = (__m512bh)_mm512_loadu_si512(p->tiles[t] + 4 * TILE * k);
      _mm_prefetch(ahead[t] + 4 * TILE * k, _MM_HINT_T0);
    }
    UNROLL for (size_t n = 0; n < tokens; n++) {
      __m512bh value = (__m512bh)_mm512_set1_epi32((int)x[16 * n]);
      UNROLL for (size_t t = 0; t < tiles; t++) {
        sums[t][n] = _mm512_dpbf16_ps(sums[t][n], w[t], value);
      }
    }
    x += k % 16 == 15 ? 16 * p->width - 15 : 1;
  }
  size_t token_step = p->token_step, tile_step = p->tile_step, rows = p->rows;
  float *output = p->output + first * token_step;
  UNROLL for (size_t n = 0; n < tokens; n++) {
    UNROLL for (size_t t = 0; t < tiles; t++) {
      float *to = output + n * token_step + t * tile_step;
      if (rows >= TILE * tiles) store(to, sums[t][n]);
      else store_first(to, rows > TILE * t ? rows - TILE * t : 0, sums[t][n]);
    }
  }
}

// A block of tokens is one pass.
SIMD_INLINE void fold_pairs_tiles(size_t tiles, const product_part *p) {
  switch (p->width) {  // constants in the loops
#define PASS(count) \
  case count: fold_pairs_of(tiles, count, p, 0); break
    PASS(1); PASS(2); PASS(3); PASS(4); PASS(5); PASS(6);
    PASS(7); PASS(8); PASS(9); PASS(10); PASS(11); PASS(12);
#undef PASS
  }
}

SIMD static void fold_pairs(const product_part *p) {
  if (p->tile_count == 2) fold_pairs_tiles(2, p);
  else fold_pairs_tiles(1, p);
}

// Sixteen pairs of a token at a time, rounded to nearest, ties to even; subnormals become zero.
SIMD static void prepare_pairs(const float *x, size_t columns, size_t width, char *to) {
  for (size_t n = 0; n < width; n++, x += columns) {
    for (size_t i = 0; i < columns; i += GROUP) {
      size_t left = columns - i;
      floats low = load_first(x + i, left);
      floats high = load_first(x + i + 16, left > 16 ? left - 16 : 0);
      __m512i pairs = (__m512i)_mm512_cvtne2ps_pbh(high, low);
      _mm512_store_si512(to + 2 * (i * width + GROUP * n), pairs);
    }
  }
}

static void prepare_any(martlet_format format, const float *x, size_t columns, size_t tokens,
                        size_t block_begin, size_t block_end, void *prepared) {
  if (format != MARTLET_BFLOAT16_PAIRS) {
    simd_prepare(format, x, columns, tokens, block_begin, block_end, prepared);
    return;
  }
  size_t per_block = martlet_token_block(format), bytes = prepared_block_bytes(format, columns);
  for (size_t b = block_begin; b < block_end; b++) {
    size_t first = b * per_block, width = smaller(per_block, tokens - first);
    prepare_pairs(x + first * columns, columns, width, (char *)prepared + b * bytes);
  }
}
