// Activations for products: the codes, scales and starts of portable_product.c, equal to them
// bit for bit. Compiled once per instruction set (simd_table.h).

typedef struct {
  floats low, high;
} group32;

SIMD_INLINE group32 load_group(const float *x) {
  return (group32){load(x), load(x + 16)};
}

// As the oracle's.
SIMD_INLINE float group_scale(group32 x, float levels, float *inverse) {
  float peak = peak_of(x.low, x.high);
  *inverse = 0;
  if (peak < ACTIVATION_LEAST) return 0;
  if (!(peak < INFINITY)) return NAN;
  *inverse = levels / peak;
  return peak / levels;
}

// As the oracle's.
SIMD_INLINE float group_anchor(group32 x, float *inverse) {
  float peak = peak_of(x.low, x.high);
  *inverse = 0;
  if (peak < ACTIVATION_LEAST) return 0;
  if (!(peak < ACTIVATION_MOST)) return NAN;
  uint32_t power = (bits_of(peak / 127) + 0x7fffff) & 0x7f800000;
  *inverse = float_of((254u << 23) - power);
  return float_of(power) * EXP_ROUND;
}

SIMD_INLINE ints codes_of(floats x, float inverse) {
  return to_ints(multiply(x, broadcast(inverse)));
}

SIMD static void prepare_integer(martlet_format format, const float *x, size_t columns,
                                   size_t width, uint8_t *block) {
  size_t groups = padded_groups(format, columns);
  int8_t *codes = (int8_t *)block;
  float *scales = (float *)(block + groups * width * GROUP);
  int32_t *starts = (int32_t *)(scales + groups * width);
  int32_t offset = is_int4(format) ? 8 : 128;
  for (size_t g = 0; g < groups; g++) {
    for (size_t n = 0; n < width; n++) {
      size_t at = g * width + n;
      ints low = int_zeros(), high = low;
      scales[at] = 0;
      if (g * GROUP < columns) {
        group32 values = load_group(x + n * columns + g * GROUP);
        float inverse;
        scales[at] = is_int4(format) ? group_anchor(values, &inverse)
                                            : group_scale(values, 127, &inverse);
        if (inverse != 0) {
          low = codes_of(values.low, inverse);
          high = codes_of(values.high, inverse);
        }
      }
      int32_t base = is_int4(format) ? (int32_t)bits_of(scales[at]) : 0;
      starts[at] = base - offset * sum_ints(add_ints(low, high));
      store_bytes(codes + at * GROUP, low);
      store_bytes(codes + at * GROUP + 16, high);
    }
  }
}

SIMD static void prepare_nf4(const float *x, size_t columns, size_t width, uint8_t *block) {
  size_t groups = padded_groups(MARTLET_NF4, columns);
  int16_t *codes = (int16_t *)block;
  float *scales = (float *)(block + 2 * groups * width * GROUP);
  for (size_t g = 0; g < groups; g++) {
    for (size_t n = 0; n < width; n++) {
      size_t at = g * width + n;
      ints low = int_zeros(), high = low;
      scales[at] = 0;
      if (g * GROUP < columns) {
        group32 values = load_group(x + n * columns + g * GROUP);
        float inverse;
        scales[at] = group_scale(values, 2047, &inverse) / 32767.0f;
        if (inverse != 0) {
          low = evens_first(codes_of(values.low, inverse));
          high = evens_first(codes_of(values.high, inverse));
        }
      }
      store_words(codes + at * GROUP, low);
      store_words(codes + at * GROUP + 16, high);
    }
  }
}

static void simd_prepare(martlet_format format, const float *x, size_t columns, size_t tokens,
                         size_t block_begin, size_t block_end, void *prepared) {
  if (is_float_format(format)) {  // a transposition: nothing to compute
    portable_prepare(format, x, columns, tokens, block_begin, block_end, prepared);
    return;
  }
  size_t per_block = martlet_token_block(format), bytes = prepared_block_bytes(format, columns);
  for (size_t b = block_begin; b < block_end; b++) {
    size_t first = b * per_block, width = smaller(per_block, tokens - first);
    uint8_t *block = (uint8_t *)prepared + b * bytes;
    if (format == MARTLET_NF4) prepare_nf4(x + first * columns, columns, width, block);
    else prepare_integer(format, x + first * columns, columns, width, block);
  }
}
