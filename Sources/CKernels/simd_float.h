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
  for (size_t k = 0; k < p->columns; k++, x += p->width) {
    floats w[PART_TILES];
    UNROLL for (size_t t = 0; t < tiles; t++) w[t] = weights_at(format, p->tiles[t], k);
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

// All tokens of one block, as many at a time as there are registers for.
SIMD_INLINE void fold_float_tiles(martlet_format format, size_t tiles, const product_part *p) {
  for (size_t n = 0, done; n < p->width; n += done) {
    size_t left = p->width - n;
    done = left >= FLOAT_TOKENS ? FLOAT_TOKENS : left >= 4 ? 4 : 1;
    if (done == FLOAT_TOKENS) fold_float(format, tiles, FLOAT_TOKENS, p, n);
    else if (done == 4) fold_float(format, tiles, 4, p, n);
    else fold_float(format, tiles, 1, p, n);
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
