// Packed tiles and KV blocks: sizes, packing and unpacking, in plain C for every CPU (none of it is
// on the path of a product). The layouts are told in ckernels.h.
#include <string.h>

#include "code_blocks.h"

// The step of scales whose largest magnitude is `most`: at least 1 / 127 of that, and of four binary digits,
// so that its multiples up to 127 are float16s exactly.
static float step_of(float most) {
  float step = float_of((bits_of(most / STEPPED_MOST) + 0xfffff) & 0xfff00000u);
  float least = 1.0f / (1 << 24);  // float16's own step near zero
  return step < 8 * least ? ceilf(step / least) * least : step;
}

void martlet_step_scales(uint16_t *scales, size_t count) {
  float most = 0;
  for (size_t g = 0; g < count; g++) {
    float magnitude = fabsf(half_to_float(scales[g]));
    if (magnitude > most) most = magnitude;
  }
  if (most == 0) return;
  float step = step_of(most);
  for (size_t g = 0; g < count; g++) {
    float steps = (half_to_float(scales[g]) / step + EXP_ROUND) - EXP_ROUND;
    scales[g] = float_to_half(steps * step);
  }
}

size_t martlet_format_group(martlet_format format) {
  if (is_float_format(format)) return 1;
  return format == MARTLET_NF4 ? MARTLET_NF4_BLOCK : GROUP;
}

size_t martlet_tile_bytes(martlet_format format, size_t columns) {
  size_t blocks = weight_blocks(format, columns);
  switch (format) {
    case MARTLET_FLOAT32: return TILE * 4 * columns;
    case MARTLET_FLOAT16:
    case MARTLET_BFLOAT16: return TILE * 2 * columns;
    case MARTLET_BFLOAT16_PAIRS: return TILE * 4 * divide_up(columns, 2);
    case MARTLET_INT8: return INT8_BLOCK_BYTES * blocks;
    case MARTLET_INT4: return INT4_BLOCK_BYTES * blocks;
    case MARTLET_INT4_STEPPED: return STEPPED_HEAD_BYTES + STEPPED_BLOCK_BYTES * blocks;
    case MARTLET_NF4: return NF4_BLOCK_BYTES * blocks;
  }
  return 0;
}

size_t martlet_token_block(martlet_format format) {
  if (is_float_format(format)) return FLOAT_TOKEN_BLOCK;
  return format == MARTLET_NF4 ? NF4_TOKEN_BLOCK : INTEGER_TOKEN_BLOCK;
}

size_t martlet_prepared_bytes(martlet_format format, size_t columns, size_t tokens) {
  return divide_up(tokens, martlet_token_block(format)) * prepared_block_bytes(format, columns);
}

// One row's part of a chunk: 8 columns of 4-bit codes or 4 of 8-bit ones as the 32-bit word of its
// lane, and back. Words are little-endian, as every CPU we run on.
static uint32_t word_of(block_shape s, const uint8_t *codes) {
  uint32_t low, high = 0;
  memcpy(&low, codes, 4);
  if (!s.four_bits) return low ^ 0x80808080u;
  memcpy(&high, codes + 4, 4);
  return (low & 0x0f0f0f0fu) | (high & 0x0f0f0f0fu) << 4;
}

static void codes_of(block_shape s, uint32_t word, uint8_t *codes) {
  uint32_t low = s.four_bits ? word & 0x0f0f0f0fu : word ^ 0x80808080u;
  uint32_t high = word >> 4 & 0x0f0f0f0fu;
  memcpy(codes, &low, 4);
  if (s.four_bits) memcpy(codes + 4, &high, 4);
}

static size_t columns_per_word(block_shape s) { return s.four_bits ? 8 : 4; }

// Where column k of row r lies in a tile of bfloat16 pairs.
static size_t pair_at(size_t k, size_t r) { return (k / 2 * TILE + r) * 2 + k % 2; }

static void pack_pairs(const float *rows, size_t row_count, size_t columns, uint16_t *tile) {
  memset(tile, 0, martlet_tile_bytes(MARTLET_BFLOAT16_PAIRS, columns));
  for (size_t r = 0; r < row_count; r++) {
    for (size_t k = 0; k < columns; k++) {
      tile[pair_at(k, r)] = float_to_bfloat(rows[r * columns + k]);
    }
  }
}

void martlet_pack_float_tile(martlet_format format, const float *rows, size_t row_count,
                             size_t columns, void *tile) {
  if (format == MARTLET_BFLOAT16_PAIRS) {
    pack_pairs(rows, row_count, columns, tile);
    return;
  }
  for (size_t k = 0; k < columns; k++) {
    for (size_t r = 0; r < TILE; r++) {
      float x = r < row_count ? rows[r * columns + k] : 0.0f;
      size_t i = k * TILE + r;
      if (format == MARTLET_FLOAT32) {
        ((float *)tile)[i] = x;
      } else {
        ((uint16_t *)tile)[i] = format == MARTLET_FLOAT16 ? float_to_half(x) : float_to_bfloat(x);
      }
    }
  }
}

bool martlet_pack_tile(martlet_format format, const uint8_t *codes, const uint16_t *scales,
                       size_t row_count, size_t columns, void *tile) {
  static const uint8_t zeros[3][8] = {{0}, {8, 8, 8, 8, 8, 8, 8, 8}, {7, 7, 7, 7, 7, 7, 7, 7}};
  block_shape s = shape_of(format);
  const uint8_t *zero = zeros[format == MARTLET_INT8 ? 0 : is_int4(format) ? 1 : 2];
  uint8_t *bytes = tile;
  memset(bytes, 0, martlet_tile_bytes(format, columns));
  for (size_t g = 0; g < s.groups * weight_blocks(format, columns); g++) {
    uint8_t *chunk = bytes + codes_at(s, g);
    size_t first = g * s.group;
    for (size_t k = first; k < first + s.group; k += columns_per_word(s), chunk += 64) {
      for (size_t r = 0; r < TILE; r++) {
        bool present = r < row_count && k < columns;
        uint32_t word = word_of(s, present ? codes + r * columns + k : zero);
        memcpy(chunk + 4 * r, &word, 4);
      }
    }
  }
  return martlet_set_tile_scales(format, scales, row_count, columns, tile);
}

// A finite float16's magnitude in units of 2^-24.
static uint64_t units_of(uint16_t half) {
  uint64_t exponent = half >> 10 & 31, mantissa = half & 0x3ff;
  return exponent == 0 ? mantissa : (mantissa | 0x400) << (exponent - 1);
}

static uint64_t common_divisor(uint64_t a, uint64_t b) {
  while (b != 0) {
    uint64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

// Row r's scales as multiples of their greatest common divisor, which is the largest step there is.
static bool set_steps(block_shape s, const uint16_t *scales, size_t groups, size_t r, uint8_t *tile) {
  uint64_t divisor = 0;
  for (size_t g = 0; g < groups; g++) {
    if ((scales[g] & 0x7c00) == 0x7c00) return false;
    divisor = common_divisor(units_of(scales[g]), divisor);
  }
  for (size_t g = 0; g < groups; g++) {
    uint64_t steps = divisor == 0 ? 0 : units_of(scales[g]) / divisor;
    if (steps > STEPPED_MOST) return false;
    tile[scales_at(s, g) + r] = (uint8_t)(scales[g] & 0x8000 ? -(int)steps : (int)steps);
  }
  float step = (float)divisor / (1 << 24);
  memcpy(tile + 4 * r, &step, 4);
  return true;
}

bool martlet_set_tile_scales(martlet_format format, const uint16_t *scales, size_t row_count,
                             size_t columns, void *tile) {
  block_shape s = shape_of(format);
  size_t groups = columns / s.group;
  for (size_t r = 0; r < row_count; r++, scales += groups) {
    if (s.stepped) {
      if (!set_steps(s, scales, groups, r, tile)) return false;
      continue;
    }
    for (size_t g = 0; g < groups; g++) {
      memcpy((uint8_t *)tile + scales_at(s, g) + 2 * r, scales + g, 2);
    }
  }
  return true;
}

void martlet_unpack_row(martlet_format format, const void *tile, size_t row_in_tile,
                        size_t columns, uint8_t *codes, uint16_t *scales) {
  block_shape s = shape_of(format);
  const uint8_t *bytes = tile;
  for (size_t g = 0; g < columns / s.group; g++) {
    const uint8_t *chunk = bytes + codes_at(s, g) + 4 * row_in_tile;
    for (size_t k = 0; k < s.group; k += columns_per_word(s), chunk += 64) {
      uint32_t word;
      memcpy(&word, chunk, 4);
      codes_of(s, word, codes + g * s.group + k);
    }
    if (s.stepped) scales[g] = float_to_half(scale_of(s, bytes, g, row_in_tile));
    else memcpy(scales + g, bytes + scales_at(s, g) + 2 * row_in_tile, 2);
  }
}

float martlet_unpack_steps(const void *tile, size_t row_in_tile, size_t columns, int8_t *steps) {
  block_shape s = shape_of(MARTLET_INT4_STEPPED);
  const uint8_t *bytes = tile;
  for (size_t g = 0; g < columns / s.group; g++) {
    steps[g] = (int8_t)bytes[scales_at(s, g) + row_in_tile];
  }
  float step;
  memcpy(&step, bytes + 4 * row_in_tile, 4);
  return step;
}

static void dequantize_float_row(martlet_format format, const void *tile, size_t r, size_t columns,
                                 float *y) {
  for (size_t k = 0; k < columns; k++) {
    size_t i = k * TILE + r;
    if (format == MARTLET_BFLOAT16_PAIRS) {
      y[k] = bfloat_to_float(((const uint16_t *)tile)[pair_at(k, r)]);
    } else if (format == MARTLET_FLOAT32) {
      y[k] = ((const float *)tile)[i];
    } else {
      uint16_t h = ((const uint16_t *)tile)[i];
      y[k] = format == MARTLET_FLOAT16 ? half_to_float(h) : bfloat_to_float(h);
    }
  }
}

void martlet_dequantize_row(martlet_format format, const void *tile, size_t row_in_tile,
                            size_t columns, float *y) {
  if (is_float_format(format)) {
    dequantize_float_row(format, tile, row_in_tile, columns, y);
    return;
  }
  block_shape s = shape_of(format);
  const uint8_t *bytes = tile;
  for (size_t g = 0; g < columns / s.group; g++) {
    const uint8_t *chunk = bytes + codes_at(s, g) + 4 * row_in_tile;
    float scale = scale_of(s, bytes, g, row_in_tile);
    for (size_t k = 0; k < s.group; k += columns_per_word(s), chunk += 64) {
      uint32_t word;
      uint8_t codes[8];
      memcpy(&word, chunk, 4);
      codes_of(s, word, codes);
      for (size_t i = 0; i < columns_per_word(s); i++, y++) {
        *y = (float)(s.four_bits ? (int)codes[i] - 8 : (int8_t)codes[i]) * scale;
      }
    }
  }
}

void martlet_kv_store(bool half_precision, const float *key, const float *value, size_t d,
                      size_t slot, void *key_block, void *value_block) {
  for (size_t i = 0; i < d; i++) {
    size_t key_at = i * MARTLET_KV_BLOCK + slot, value_at = slot * d + i;
    if (half_precision) {
      ((uint16_t *)key_block)[key_at] = float_to_half(key[i]);
      ((uint16_t *)value_block)[value_at] = float_to_half(value[i]);
    } else {
      ((float *)key_block)[key_at] = key[i];
      ((float *)value_block)[value_at] = value[i];
    }
  }
}

uint16_t martlet_half_from_float(float x) { return float_to_half(x); }
float martlet_float_from_half(uint16_t x) { return half_to_float(x); }
