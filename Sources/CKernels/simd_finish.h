// What follows a part's products: bias, activation, and the way into the output. Equal to
// portable_finish.c bit for bit. Compiled once per instruction set (simd_table.h).

SIMD_INLINE void activate(martlet_activation activation, float *x, size_t count) {
  if (activation == MARTLET_SILU) simd_silu(x, count, x);
  if (activation == MARTLET_GELU) simd_gelu(x, count, x);
  if (activation == MARTLET_GELU_TANH) simd_gelu_tanh(x, count, x);
}

// f(gate) * y into the gate's place.
SIMD_INLINE void apply_gate(martlet_activation activation, float *gate, const float *y,
                            size_t count) {
  if (activation == MARTLET_GATED_SILU) {
    simd_silu_multiply(gate, y, count, gate);
    return;
  }
  activate(activation == MARTLET_GATED_GELU ? MARTLET_GELU : MARTLET_GELU_TANH, gate, count);
  simd_multiply_values(gate, y, count, gate);
}

SIMD_INLINE void add_bias(const float *bias, size_t rows, size_t width, float *sums) {
  floats b = load_first(bias, rows);
  for (size_t n = 0; n < width; n++) store(sums + n * TILE, add(load(sums + n * TILE), b));
}

SIMD_INLINE void write_tile(const martlet_product *p, const float *sums, const float *bias,
                            size_t rows, size_t width, float *output) {
  floats b = bias ? load_first(bias, rows) : zeros();
  for (size_t n = 0; n < width; n++, sums += TILE, output += p->output_stride) {
    floats v = load(sums);
    if (bias) v = add(v, b);
    if (p->adds) v = add(load_first(output, rows), v);
    store_first(output, rows, v);
  }
}

SIMD static void finish_rows(const martlet_product *p, const product_part *part, size_t row,
                             float *output) {
  size_t count = part->width * TILE;
  float *sums = part->output;
  if (is_gated(p)) {
    size_t rows = smaller(TILE, p->rows - row);
    if (p->gate_bias) add_bias(p->gate_bias + row, rows, part->width, sums);
    if (p->bias) add_bias(p->bias + row, rows, part->width, sums + part->tile_step);
    apply_gate(p->activation, sums, sums + part->tile_step, count);
    write_tile(p, sums, NULL, rows, part->width, output);
    return;
  }
  for (size_t t = 0; t < part->tile_count; t++, sums += part->tile_step, row += TILE) {
    size_t rows = smaller(TILE, p->rows - row);
    const float *bias = p->bias ? p->bias + row : NULL;
    if (p->activation != MARTLET_IDENTITY) {
      if (bias) add_bias(bias, rows, part->width, sums);
      activate(p->activation, sums, count);
      bias = NULL;
    }
    write_tile(p, sums, bias, rows, part->width, output + t * TILE);
  }
}
