// What follows a part's products where the result becomes the next product's pairs: bias, activation,
// rounding to bfloat16, and two tiles are one group of 32 columns. Equal to portable_finish.c but for
// what GELU loses (ckernels.h). Included where simd_avx512_pairs.h is.

// x * phi(x), the normal distribution's function as an odd polynomial within +-4.16: to 8e-5.
SIMD_INLINE floats short_gelu(floats x) {
  static const float c[] = {-9.376219800572017e-10f, 8.176210997135058e-8f, -3.0998062356957234e-6f,
                            6.772877532057464e-5f,   -9.568366222083569e-4f, 9.32231079787016e-3f,
                            -6.557204574346542e-2f,  0.39849236607551575f};
  floats u = maximum(minimum(x, broadcast(4.16f)), broadcast(-4.16f));
  floats square = multiply(u, u), p = broadcast(c[0]);
  UNROLL for (size_t i = 1; i < 8; i++) p = fused(p, square, broadcast(c[i]));
  return multiply(x, fused(u, p, broadcast(0.5f)));
}

// Sums of `tiles` tiles from `row` on, [tiles][width][16].
SIMD_INLINE void write_pairs(size_t tiles, martlet_activation activation, const martlet_product *p,
                             const product_part *part, const float *sums, const float *bias,
                             size_t row) {
  size_t width = part->width;
  floats b[2];
  for (size_t t = 0; t < 2; t++) {
    size_t at = row + TILE * t;
    b[t] = bias && t < tiles && at < p->rows ? load_first(bias + at, p->rows - at) : zeros();
  }
  // Who computes the other half of a group writes it.
  bool whole = tiles == 2 || (row % GROUP == 0 && row + TILE >= p->rows);
  uint8_t *to = part->pairs + row / GROUP * width * 2 * GROUP + row % GROUP * 2;
  for (size_t n = 0; n < width; n++, to += 2 * GROUP) {
    floats v[2] = {zeros(), zeros()};
    UNROLL for (size_t t = 0; t < tiles; t++) {
      v[t] = add(load(sums + (t * width + n) * TILE), b[t]);
      if (activation == MARTLET_GELU) v[t] = short_gelu(v[t]);
    }
    __m512i pairs = (__m512i)_mm512_cvtne2ps_pbh(v[1], v[0]);
    if (whole) _mm512_store_si512(to, pairs);
    else _mm256_store_si256((__m256i *)to, _mm512_castsi512_si256(pairs));
  }
}

SIMD static void finish_pairs(const martlet_product *p, const product_part *part, size_t row,
                              float *output) {
  (void)output;
  float *sums = part->output;
  if (is_gated(p)) {
    size_t rows = smaller(TILE, p->rows - row);
    if (p->gate_bias) add_bias(p->gate_bias + row, rows, part->width, sums);
    if (p->bias) add_bias(p->bias + row, rows, part->width, sums + part->tile_step);
    apply_gate(p->activation, sums, sums + part->tile_step, part->width * TILE);
    write_pairs(1, MARTLET_IDENTITY, p, part, sums, NULL, row);
  } else if (p->activation == MARTLET_GELU && part->tile_count == 2 && row % GROUP == 0) {
    write_pairs(2, MARTLET_GELU, p, part, sums, p->bias, row);
  } else if (p->activation == MARTLET_IDENTITY && part->tile_count == 2 && row % GROUP == 0) {
    write_pairs(2, MARTLET_IDENTITY, p, part, sums, p->bias, row);
  } else {
    for (size_t t = 0; t < part->tile_count; t++, sums += part->tile_step, row += TILE) {
      if (p->activation == MARTLET_GELU) {
        write_pairs(1, MARTLET_GELU, p, part, sums, p->bias, row);
        continue;
      }
      size_t rows = smaller(TILE, p->rows - row);
      if (p->bias) add_bias(p->bias + row, rows, part->width, sums);
      activate(p->activation, sums, part->width * TILE);
      write_pairs(1, MARTLET_IDENTITY, p, part, sums, NULL, row);
    }
  }
}
