// What follows a part's products, in plain C: the oracle of simd_finish.h.
#include "product.h"
#include "scalar_math.h"
#include "tables.h"

static void activate(martlet_activation activation, float *x, size_t count) {
  if (activation == MARTLET_SILU) portable_silu(x, count, x);
  if (activation == MARTLET_GELU) portable_gelu(x, count, x);
  if (activation == MARTLET_GELU_TANH) portable_gelu_tanh(x, count, x);
}

// f(gate) * y into the gate's place.
static void apply_gate(martlet_activation activation, float *gate, const float *y, size_t count) {
  if (activation == MARTLET_GATED_SILU) {
    portable_silu_multiply(gate, y, count, gate);
    return;
  }
  activate(activation == MARTLET_GATED_GELU ? MARTLET_GELU : MARTLET_GELU_TANH, gate, count);
  portable_multiply_values(gate, y, count, gate);
}

static void add_bias(const float *bias, size_t rows, size_t width, float *sums) {
  for (size_t n = 0; n < width; n++) {
    for (size_t r = 0; r < rows; r++) sums[n * TILE + r] = sums[n * TILE + r] + bias[r];
  }
}

static void write_tile(const martlet_product *p, const float *sums, size_t rows, size_t width,
                       float *output) {
  for (size_t n = 0; n < width; n++, sums += TILE, output += p->output_stride) {
    for (size_t r = 0; r < rows; r++) output[r] = p->adds ? output[r] + sums[r] : sums[r];
  }
}

// The 16 columns from `column` on, as prepare() writes pairs; a last half group is filled up.
static void write_pairs(const martlet_product *p, const product_part *part, const float *sums,
                        size_t column) {
  for (size_t n = 0; n < part->width; n++, sums += TILE) {
    uint16_t *to = (uint16_t *)part->pairs + (column / GROUP * part->width + n) * GROUP;
    for (size_t r = 0; r < TILE; r++) {
      to[column % GROUP + r] = column + r < p->rows ? float_to_bfloat(sums[r]) : 0;
    }
    if (column % GROUP == 0 && column + TILE >= p->rows) memset(to + TILE, 0, 2 * TILE);
  }
}

void portable_finish(const martlet_product *p, const product_part *part, size_t row,
                     float *output) {
  size_t count = part->width * TILE;
  float *sums = part->output;
  if (is_gated(p)) {
    size_t rows = smaller(TILE, p->rows - row);
    if (p->gate_bias) add_bias(p->gate_bias + row, rows, part->width, sums);
    if (p->bias) add_bias(p->bias + row, rows, part->width, sums + part->tile_step);
    apply_gate(p->activation, sums, sums + part->tile_step, count);
    if (p->pairs) write_pairs(p, part, sums, row);
    else write_tile(p, sums, rows, part->width, output);
    return;
  }
  for (size_t t = 0; t < part->tile_count; t++, sums += part->tile_step, row += TILE) {
    size_t rows = smaller(TILE, p->rows - row);
    if (p->bias) add_bias(p->bias + row, rows, part->width, sums);
    activate(p->activation, sums, count);
    if (p->pairs) write_pairs(p, part, sums, row);
    else write_tile(p, sums, rows, part->width, output + t * TILE);
  }
}
