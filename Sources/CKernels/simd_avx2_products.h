// Products of int8, int4 and nf4 matrices for AVX2: one tile at a time, its 16 rows in two halves of
// eight lanes, a few tokens side by side. Equal to the oracle bit for bit.

enum { SIDE_TILES = 1, SIDE_TOKENS = 4 };

SIMD_INLINE __m256i load_eight(const uint8_t *codes) {
  return _mm256_loadu_si256((const __m256i *)codes);
}

// The scales at `scales` of the rows from 8 * half on; `tile` begins with their rows' steps where they are
// stepped.
SIMD_INLINE __m256 row_scales(martlet_format format, const uint8_t *scales, size_t half,
                              const uint8_t *tile) {
  if (format != MARTLET_INT4_STEPPED) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)scales + half));
  }
  __m256i steps = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(scales + 8 * half)));
  return _mm256_mul_ps(_mm256_cvtepi32_ps(steps), _mm256_loadu_ps((const float *)tile + 8 * half));
}

// What is folded of a group of 32: dots of eight rows, for the rows from 8 * half on. int4's token scale
// is its anchor (layout.h).
SIMD_INLINE void add_scaled(martlet_format format, __m256i dots, __m256 scale, size_t half,
                            float token_scale, float *sums) {
  __m256 of_token = _mm256_set1_ps(token_scale), sum = _mm256_loadu_ps(sums + 8 * half), dot;
  if (is_int4(format)) {
    dot = _mm256_sub_ps(_mm256_castsi256_ps(dots), of_token);
  } else {
    dot = _mm256_cvtepi32_ps(dots);
    scale = _mm256_mul_ps(scale, of_token);
  }
  _mm256_storeu_ps(sums + 8 * half, _mm256_fmadd_ps(dot, scale, sum));
}

// int4: pairs of products fit 16 bits even when a whole group of them is added (8 * 2 * 15 * 127).
SIMD_INLINE void dot_int4(const uint8_t *codes, size_t half, size_t tokens,
                          const integer_tokens *from, __m256i dots[SIDE_TOKENS]) {
  __m256i low = _mm256_set1_epi8(15), pairs[SIDE_TOKENS];
  UNROLL for (size_t n = 0; n < tokens; n++) pairs[n] = _mm256_setzero_si256();
  UNROLL for (size_t j = 0; j < 4; j++) {
    __m256i two = load_eight(codes + 64 * j + 32 * half);
    __m256i w0 = _mm256_and_si256(two, low);
    __m256i w1 = _mm256_and_si256(_mm256_srli_epi16(two, 4), low);
    UNROLL for (size_t n = 0; n < tokens; n++) {
      const int8_t *x = from->x + GROUP * n + 8 * j;
      __m256i x0 = _mm256_set1_epi32(word_at(x)), x1 = _mm256_set1_epi32(word_at(x + 4));
      pairs[n] = _mm256_add_epi16(pairs[n], _mm256_maddubs_epi16(w0, x0));
      pairs[n] = _mm256_add_epi16(pairs[n], _mm256_maddubs_epi16(w1, x1));
    }
  }
  UNROLL for (size_t n = 0; n < tokens; n++) {
    __m256i sums = _mm256_madd_epi16(pairs[n], _mm256_set1_epi16(1));
    dots[n] = _mm256_add_epi32(sums, _mm256_set1_epi32(from->starts[n]));
  }
}

// int8: codes minus 128 are signed; their magnitudes are bytes, and their signs go to the
// activations: 2 * 128 * 127 fits. The start is of no use then.
SIMD_INLINE void dot_int8(const uint8_t *codes, size_t half, size_t tokens,
                          const integer_tokens *from, __m256i dots[SIDE_TOKENS]) {
  __m256i offset = _mm256_set1_epi8((char)0x80), one = _mm256_set1_epi16(1);
  UNROLL for (size_t n = 0; n < tokens; n++) dots[n] = _mm256_setzero_si256();
  UNROLL for (size_t j = 0; j < 8; j++) {
    __m256i w = _mm256_xor_si256(load_eight(codes + 64 * j + 32 * half), offset);
    __m256i magnitude = _mm256_abs_epi8(w);
    UNROLL for (size_t n = 0; n < tokens; n++) {
      __m256i x = _mm256_set1_epi32(word_at(from->x + GROUP * n + 4 * j));
      __m256i pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(x, w));
      dots[n] = _mm256_add_epi32(dots[n], _mm256_madd_epi16(pairs, one));
    }
  }
}

SIMD_INLINE void fold_integer(martlet_format format, size_t tokens, const product_part *p,
                              size_t first) {
  const size_t groups = block_groups(format), code_bytes = is_int4(format) ? 256 : 512;
  const size_t block_bytes = groups * code_bytes + 64;
  const size_t head = format == MARTLET_INT4_STEPPED ? STEPPED_HEAD_BYTES : 0;
  size_t blocks = weight_blocks(format, p->columns);
  integer_tokens from = integer_tokens_of(p, first);
  float sums[SIDE_TOKENS][TILE] = {{0}};
  for (size_t b = 0; b < blocks; b++) {
    for (size_t g = 0; g < groups; g++) {
      const uint8_t *block = p->tiles[0] + head + b * block_bytes;
      const uint8_t *codes = block + g * code_bytes;
      const uint8_t *scales = block + groups * code_bytes + 64 / groups * g;
      UNROLL for (size_t half = 0; half < 2; half++) {
        __m256 scale = row_scales(format, scales, half, p->tiles[0]);
        __m256i dots[SIDE_TOKENS];
        if (is_int4(format)) dot_int4(codes, half, tokens, &from, dots);
        else dot_int8(codes, half, tokens, &from, dots);
        UNROLL for (size_t n = 0; n < tokens; n++) {
          add_scaled(format, dots[n], scale, half, from.scales[n], sums[n]);
        }
      }
      next_group(&from, p->width);
    }
  }
  UNROLL for (size_t n = 0; n < tokens; n++) store_sums(p, 0, first + n, load(sums[n]));
}

// The 16-bit values of 16 codes in the low nibbles of 16-bit lanes: their bytes are looked up apart.
typedef struct {
  __m256i low, high;
} nf4_values;

SIMD_INLINE nf4_values nf4_bytes(void) {
  uint8_t low[32], high[32];
  for (int i = 0; i < 32; i++) {
    low[i] = (uint8_t)((uint16_t)martlet_nf4_integers[i % 16] & 255);
    high[i] = (uint8_t)((uint16_t)martlet_nf4_integers[i % 16] >> 8);
  }
  return (nf4_values){_mm256_loadu_si256((const __m256i *)low),
                      _mm256_loadu_si256((const __m256i *)high)};
}

SIMD_INLINE __m256i look_up(nf4_values values, __m256i nibbles) {
  __m256i index = _mm256_and_si256(nibbles, _mm256_set1_epi16(15));
  __m256i low = _mm256_shuffle_epi8(values.low, index);
  __m256i high = _mm256_shuffle_epi8(values.high, _mm256_slli_epi16(index, 8));
  low = _mm256_and_si256(low, _mm256_set1_epi16(255));
  high = _mm256_andnot_si256(_mm256_set1_epi16(255), high);
  return _mm256_or_si256(low, high);
}

SIMD_INLINE void fold_nf4(size_t tokens, const product_part *p, size_t first) {
  nf4_values values = nf4_bytes();
  size_t blocks = weight_blocks(MARTLET_NF4, p->columns);
  nf4_tokens from = nf4_tokens_of(p, first);
  float sums[SIDE_TOKENS][TILE] = {{0}};
  for (size_t b = 0; b < blocks; b++) {
    for (size_t quarter = 0; quarter < 4; quarter++) {
      const uint8_t *block = p->tiles[0] + b * NF4_BLOCK_BYTES;
      const uint8_t *codes = block + 256 * quarter, *scales = block + 1024 + 32 * (quarter / 2);
      UNROLL for (size_t half = 0; half < 2; half++) {
        __m256 scale = row_scales(MARTLET_NF4, scales, half, NULL);
        __m256i dots[SIDE_TOKENS];
        UNROLL for (size_t n = 0; n < tokens; n++) dots[n] = _mm256_setzero_si256();
        UNROLL for (size_t j = 0; j < 4; j++) {
          __m256i four = load_eight(codes + 64 * j + 32 * half);
          UNROLL for (size_t step = 0; step < 4; step++) {
            __m256i w = look_up(values, _mm256_srli_epi16(four, 4 * (int)step));
            UNROLL for (size_t n = 0; n < tokens; n++) {
              __m256i x = _mm256_set1_epi32(word_at(from.x + GROUP * n + 8 * j + 2 * step));
              dots[n] = _mm256_add_epi32(dots[n], _mm256_madd_epi16(w, x));
            }
          }
        }
        UNROLL for (size_t n = 0; n < tokens; n++) {
          add_scaled(MARTLET_NF4, dots[n], scale, half, from.scales[n], sums[n]);
        }
      }
      from.x += GROUP * p->width;
      from.scales += p->width;
    }
  }
  UNROLL for (size_t n = 0; n < tokens; n++) store_sums(p, 0, first + n, load(sums[n]));
}

// A gated part has two tiles: one after the other.
SIMD_INLINE void fold_tiles(martlet_format format, const product_part *p) {
  for (size_t t = 0; t < p->tile_count; t++) {
    product_part one = tile_of(p, t);
    for (size_t n = 0, done; n < p->width; n += done) {
      done = p->width - n >= SIDE_TOKENS ? SIDE_TOKENS : 1;
      if (format == MARTLET_NF4) {
        if (done == 1) fold_nf4(1, &one, n);
        else fold_nf4(SIDE_TOKENS, &one, n);
      } else {
        if (done == 1) fold_integer(format, 1, &one, n);
        else fold_integer(format, SIDE_TOKENS, &one, n);
      }
    }
  }
}

SIMD static void fold_int8(const product_part *p) { fold_tiles(MARTLET_INT8, p); }
SIMD static void fold_int4(const product_part *p) { fold_tiles(MARTLET_INT4, p); }
SIMD static void fold_stepped(const product_part *p) { fold_tiles(MARTLET_INT4_STEPPED, p); }
SIMD static void fold_nf4_part(const product_part *p) { fold_tiles(MARTLET_NF4, p); }
