// Products of float32, float16 and bfloat16 matrices: one accumulator per tile and token, fused
// multiply-add over the columns in order. How many tiles and tokens a loop serves changes nothing
// in any one of them. Compiled once per instruction set (simd_table.h).

// Column k of a tile's 16 rows.
SIMD_INLINE floats weights_at(martlet_format format, const uint8_t *tile, size_t k) {
  if (format == MARTLET_FLOAT32) return load((const float *)tile + TILE * k);
  const uint16_t *half = (const uint16_t *)tile + TILE * k;
  return format == MARTLET_FLOAT16 ? load_half(half) : load_bfloat_first(half, TILE);
}

SIMD_INLINE void fold_float(martlet_format format, size_t tiles, size_t tokens,
                            const product_part *p, size_t first) {
  floats sums[PART_TILES][FLOAT_TOKENS];
  UNROLL for (size_t t = 0; t < tiles; t++) {
    UNROLL for (size_t n = 0; n < tokens; n++) sums[t][n] = zeros();
  }
  const float *x = (const float *)p->block + first;  // [columns][width]
  const size_t column_bytes = TILE * (format == MARTLET_FLOAT32 ? 4 : 2);
  // The first pass fetches the next part's weights.
  bool fetches = first == 0 && p->width > 1 && p->next[0];
  for (size_t k = 0; k < p->columns; k++, x += p->width) {
    floats w[PART_TILES];
    UNROLL for (size_t t = 0; t < tiles; t++) {
      w[t] = weights_at(format, p->tiles[t], k);
      if (fetches) __builtin_prefetch(p->next[t] + column_bytes * k, 0, 2);
    }
    UNROLL for (size_t n = 0; n < tokens; n++) {
      floats value = broadcast(x[n]);
      UNROLL for (size_t t = 0; t < tiles; t++) {
        sums[t][n] = fused(w[t], value, sums[t][n]);
      }
    }
  }
  UNROLL for (size_t n = 0; n < tokens; n++) {
    UNROLL for (size_t t = 0; t < tiles; t++) store_sums(p, t, first + n, sums[t][n]);
  }
}

SIMD_INLINE void fold_float_pass(martlet_format format, size_t tiles, size_t tokens,
                                 const product_part *p, size_t first) {
  switch (tokens) {  // constants in the loops
#define PASS(count) \
  case count: \
    fold_float(format, tiles, count <= FLOAT_TOKENS ? count : 1, p, first); \
    break
    PASS(1); PASS(2); PASS(3); PASS(4); PASS(5); PASS(6);
    PASS(7); PASS(8); PASS(9); PASS(10); PASS(11); PASS(12);
#undef PASS
  }
}

// All tokens of one block, shared out evenly to passes that have registers for them.
SIMD_INLINE void fold_float_tiles(martlet_format format, size_t tiles, const product_part *p) {
  size_t passes = divide_up(p->width, FLOAT_TOKENS);
  for (size_t n = 0, tokens, pass = 0; n < p->width; n += tokens, pass++) {
    tokens = divide_up(p->width - n, passes - pass);
    fold_float_pass(format, tiles, tokens, p, n);
  }
}

SIMD_INLINE void fold_float_part(martlet_format format, const product_part *p) {
  switch (p->tile_count) {
    case 4: fold_float(format, 4, 1, p, 0); break;
    case 3: fold_float(format, 3, 1, p, 0); break;
    case 2: fold_float_tiles(format, 2, p); break;
    default: fold_float_tiles(format, 1, p); break;
  }
}

SIMD static void fold_float32(const product_part *p) { fold_float_part(MARTLET_FLOAT32, p); }
SIMD static void fold_float16(const product_part *p) { fold_float_part(MARTLET_FLOAT16, p); }
SIMD static void fold_bfloat16(const product_part *p) { fold_float_part(MARTLET_BFLOAT16, p); }
