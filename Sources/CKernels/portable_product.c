// Matrix products in plain C: the oracle. Quantised formats fold the integers of each group of 32
// into a float by fused multiply-add, in the order every SIMD version keeps, so they are equal to
// it bit for bit; float formats add column by column without fusing, where SIMD versions fuse.
#include <string.h>

#include "code_blocks.h"
#include "product.h"
#include "tables.h"

// Prepared activations ---------------------------------------------------------------------------

// The largest magnitude of 32 values, compared as integers so that NaN wins over infinity.
static float group_peak(const float *x) {
  uint32_t peak = 0;
  for (int i = 0; i < GROUP; i++) {
    uint32_t magnitude = bits_of(x[i]) & 0x7fffffff;
    if (magnitude > peak) peak = magnitude;
  }
  return float_of(peak);
}

// To the nearest integer, ties to even, for |x| < 2^22.
static int nearest(float x) { return (int)((x + EXP_ROUND) - EXP_ROUND); }

// Scale of a group; *inverse is 0 where all codes are to be 0. A group that is not finite makes
// the whole result NaN through its scale.
static float group_scale(float peak, float levels, float *inverse) {
  *inverse = 0;
  if (peak < ACTIVATION_LEAST) return 0;
  if (!(peak < INFINITY)) return NAN;
  *inverse = levels / peak;
  return peak / levels;
}

// The anchor of a group of int4's (layout.h), whose scale is a power of two. At most half of the codes'
// range stays unused, which is nothing beside the weights' rounding; int8 would lose by it.
static float group_anchor(float peak, float *inverse) {
  *inverse = 0;
  if (peak < ACTIVATION_LEAST) return 0;
  if (!(peak < ACTIVATION_MOST)) return NAN;
  uint32_t power = (bits_of(peak / 127) + 0x7fffff) & 0x7f800000;
  *inverse = float_of((254u << 23) - power);
  return float_of(power) * EXP_ROUND;
}

static void prepare_integer(martlet_format format, const float *x, size_t columns, size_t width,
                            void *block) {
  size_t groups = padded_groups(format, columns);
  int8_t *codes = block;
  float *scales = (float *)(codes + groups * width * GROUP);
  int32_t *starts = (int32_t *)(scales + groups * width);
  for (size_t g = 0; g < groups; g++) {
    for (size_t n = 0; n < width; n++) {
      size_t at = g * width + n;
      int8_t *to = codes + at * GROUP;
      scales[at] = 0;
      starts[at] = 0;
      memset(to, 0, GROUP);
      if (g * GROUP >= columns) continue;
      const float *from = x + n * columns + g * GROUP;
      float inverse;
      float peak = group_peak(from);
      scales[at] = is_int4(format) ? group_anchor(peak, &inverse)
                                          : group_scale(peak, 127, &inverse);
      if (is_int4(format)) starts[at] = (int32_t)bits_of(scales[at]);
      if (inverse == 0) continue;
      int32_t sum = 0;
      for (int i = 0; i < GROUP; i++) {
        to[i] = (int8_t)nearest(from[i] * inverse);
        sum += to[i];
      }
      starts[at] -= (is_int4(format) ? 8 : 128) * sum;
    }
  }
}

static void prepare_nf4(const float *x, size_t columns, size_t width, void *block) {
  static const int order[8] = {0, 2, 4, 6, 1, 3, 5, 7};
  size_t groups = padded_groups(MARTLET_NF4, columns);
  int16_t *codes = block;
  float *scales = (float *)(codes + groups * width * GROUP);
  for (size_t g = 0; g < groups; g++) {
    for (size_t n = 0; n < width; n++) {
      size_t at = g * width + n;
      int16_t *to = codes + at * GROUP;
      scales[at] = 0;
      memset(to, 0, 2 * GROUP);
      if (g * GROUP >= columns) continue;
      const float *from = x + n * columns + g * GROUP;
      float inverse;
      scales[at] = group_scale(group_peak(from), 2047, &inverse) / 32767.0f;
      if (inverse == 0) continue;
      for (int i = 0; i < GROUP; i++) {
        to[i] = (int16_t)nearest(from[i / 8 * 8 + order[i % 8]] * inverse);
      }
    }
  }
}

static void prepare_float(const float *x, size_t columns, size_t width, void *block) {
  float *to = block;
  for (size_t k = 0; k < columns; k++) {
    for (size_t n = 0; n < width; n++) to[k * width + n] = x[n * columns + k];
  }
}

static void prepare_pairs(const float *x, size_t columns, size_t width, uint16_t *to) {
  for (size_t k = 0; k < round_up(columns, GROUP); k++) {
    for (size_t n = 0; n < width; n++) {
      uint16_t value = k < columns ? float_to_bfloat(x[n * columns + k]) : 0;
      to[(k / GROUP * width + n) * GROUP + k % GROUP] = value;
    }
  }
}

void portable_prepare(martlet_format format, const float *x, size_t columns, size_t tokens,
                      size_t block_begin, size_t block_end, void *prepared) {
  size_t per_block = martlet_token_block(format), bytes = prepared_block_bytes(format, columns);
  for (size_t b = block_begin; b < block_end; b++) {
    size_t first = b * per_block, width = smaller(per_block, tokens - first);
    const float *from = x + first * columns;
    uint8_t *to = (uint8_t *)prepared + b * bytes;
    if (format == MARTLET_BFLOAT16_PAIRS) {
      prepare_pairs(from, columns, width, (uint16_t *)to);
    } else if (is_float_format(format)) {
      prepare_float(from, columns, width, to);
    } else if (format == MARTLET_NF4) {
      prepare_nf4(from, columns, width, to);
    } else {
      prepare_integer(format, from, columns, width, to);
    }
  }
}

// Products of one tile and one token -------------------------------------------------------------

static void tile_float(martlet_format format, const void *tile, size_t columns, const float *x,
                       size_t width, float out[TILE]) {
  for (size_t k = 0; k < columns; k++, x += width) {
    for (int r = 0; r < TILE; r++) {
      size_t i = k * TILE + (size_t)r;
      float w = format == MARTLET_FLOAT32   ? ((const float *)tile)[i]
                : format == MARTLET_FLOAT16 ? half_to_float(((const uint16_t *)tile)[i])
                                            : bfloat_to_float(((const uint16_t *)tile)[i]);
      out[r] = out[r] + w * *x;
    }
  }
}

// Products of two bfloat16 are exact in float32: only the sums round.
static void tile_pairs(const uint16_t *tile, size_t columns, const uint16_t *x, size_t width,
                       float out[TILE]) {
  for (size_t k = 0; k < round_up(columns, 2); k++) {
    float value = bfloat_to_float(x[k / GROUP * width * GROUP + k % GROUP]);
    for (size_t r = 0; r < TILE; r++) {
      out[r] = out[r] + bfloat_to_float(tile[(k / 2 * TILE + r) * 2 + k % 2]) * value;
    }
  }
}

static void tile_int8(const uint8_t *tile, size_t blocks, const int8_t *x, const float *scales,
                      const int32_t *starts, size_t width, float out[TILE]) {
  for (size_t b = 0; b < blocks; b++, tile += INT8_BLOCK_BYTES) {
    for (int h = 0; h < 2; h++, x += GROUP * width, scales += width, starts += width) {
      for (int r = 0; r < TILE; r++) {
        const uint8_t *w = tile + 512 * h + 4 * r;
        int32_t sum = *starts;
        for (int k = 0; k < GROUP; k++) sum += w[64 * (k / 4) + k % 4] * x[k];
        uint16_t scale;
        memcpy(&scale, tile + 1024 + 32 * h + 2 * r, 2);
        out[r] = fmaf((float)sum, half_to_float(scale) * *scales, out[r]);
      }
    }
  }
}

static void tile_int4(martlet_format format, const uint8_t *tile, size_t groups, const int8_t *x,
                      const float *anchors, const int32_t *starts, size_t width, float out[TILE]) {
  block_shape shape = shape_of(format);
  for (size_t g = 0; g < groups; g++, x += GROUP * width, anchors += width, starts += width) {
    const uint8_t *w = tile + codes_at(shape, g);
    for (size_t r = 0; r < TILE; r++, w += 4) {
      int32_t sum = *starts;
      for (int k = 0; k < GROUP; k += 8) {
        for (int i = 0; i < 4; i++) {
          uint8_t two = w[8 * k + i];
          sum += (two & 15) * x[k + i] + (two >> 4) * x[k + 4 + i];
        }
      }
      float dot = float_of((uint32_t)sum) - *anchors;
      out[r] = fmaf(dot, scale_of(shape, tile, g, r), out[r]);
    }
  }
}

// 32 inputs of one row: 32 * 2047 * 32767 still fits into 32 bits, 64 would not.
static int32_t dot_nf4(const uint8_t *w, const int16_t *x) {
  static const int column[8] = {0, 2, 4, 6, 1, 3, 5, 7};
  int32_t sum = 0;
  for (int k = 0; k < GROUP; k++) {
    int c = column[k % 8];
    uint8_t two = w[64 * (k / 8) + c % 4];
    sum += martlet_nf4_integers[c < 4 ? two & 15 : two >> 4] * x[k];
  }
  return sum;
}

static void tile_nf4(const uint8_t *tile, size_t blocks, const int16_t *x, const float *scales,
                     size_t width, float out[TILE]) {
  for (size_t b = 0; b < blocks; b++, tile += NF4_BLOCK_BYTES) {
    for (int quarter = 0; quarter < 4; quarter++, x += GROUP * width, scales += width) {
      for (int r = 0; r < TILE; r++) {
        int32_t sum = dot_nf4(tile + 256 * quarter + 4 * r, x);
        uint16_t scale;
        memcpy(&scale, tile + 1024 + 32 * (quarter / 2) + 2 * r, 2);
        out[r] = fmaf((float)sum, half_to_float(scale) * *scales, out[r]);
      }
    }
  }
}

static void multiply_tile(const product_part *p, const uint8_t *tile, size_t n, float out[TILE]) {
  size_t blocks = weight_blocks(p->format, p->columns), width = p->width;
  size_t groups = padded_groups(p->format, p->columns);
  if (p->format == MARTLET_BFLOAT16_PAIRS) {
    const uint16_t *x = (const uint16_t *)p->block + GROUP * n;
    tile_pairs((const uint16_t *)tile, p->columns, x, width, out);
  } else if (is_float_format(p->format)) {
    tile_float(p->format, tile, p->columns, (const float *)p->block + n, width, out);
  } else if (p->format == MARTLET_NF4) {
    const int16_t *x = (const int16_t *)p->block;
    const float *scales = (const float *)(x + groups * width * GROUP);
    tile_nf4(tile, blocks, x + n * GROUP, scales + n, width, out);
  } else {
    const int8_t *x = (const int8_t *)p->block;
    const float *scales = (const float *)(x + groups * width * GROUP);
    const int32_t *starts = (const int32_t *)(scales + groups * width);
    x += n * GROUP;
    if (is_int4(p->format)) {
      tile_int4(p->format, tile, groups, x, scales + n, starts + n, width, out);
    } else {
      tile_int8(tile, blocks, x, scales + n, starts + n, width, out);
    }
  }
}

void portable_fold(const product_part *p) {
  for (size_t t = 0; t < p->tile_count; t++) {
    size_t rows = smaller(TILE, p->rows - t * TILE);
    for (size_t n = 0; n < p->width; n++) {
      float out[TILE] = {0};
      multiply_tile(p, p->tiles[t], n, out);
      memcpy(p->output + n * p->token_step + t * p->tile_step, out, rows * sizeof(float));
    }
  }
}

void portable_multiply(const martlet_product *p, size_t tile_begin, size_t tile_end) {
  martlet_multiply_in_parts(p, tile_begin, tile_end, 1, portable_fold, portable_finish);
}
