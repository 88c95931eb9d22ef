// Products of int8 and int4 matrices for AVX-512: unsigned weight codes times signed activations,
// by vpdpbusd where there is VNNI; the weights' offset is undone by what sums start with, and
// integers are folded into a float per group of 32. Lane r is row r of the tile. Equal to the oracle
// bit for bit.
//
// Two tiles times four tokens are in registers together, eight independent chains of additions that
// hide each other's latency. A group's integers become floats while the next group is multiplied:
// conversions and scaling run beside the multipliers, and a processor doesn't look far enough ahead
// to find that by itself.

enum { SIDE_TILES = 2, SIDE_TOKENS = 4 };

// Columns 8j...8j+3 and 8j+4...8j+7 of a group's 16 rows.
SIMD_INLINE void unpack(martlet_format format, const uint8_t *codes, size_t j, __m512i w[2]) {
  if (format == MARTLET_INT8) {
    w[0] = _mm512_loadu_si512(codes + 128 * j);
    w[1] = _mm512_loadu_si512(codes + 128 * j + 64);
  } else {
    __m512i two = _mm512_loadu_si512(codes + 64 * j), low = _mm512_set1_epi8(15);
    w[0] = _mm512_and_si512(two, low);
    w[1] = _mm512_and_si512(_mm512_srli_epi16(two, 4), low);
  }
}

// sums + the products of four columns: unsigned codes and signed activations.
SIMD_INLINE __m512i add_products(martlet_format format, __m512i sums, __m512i w, __m512i x) {
#if SIMD_VNNI
  (void)format;
  return _mm512_dpbusd_epi32(sums, w, x);
#else
  if (is_int4(format)) {  // 2 * 15 * 127 fits 16 bits
    __m512i pairs = _mm512_maddubs_epi16(w, x);
    return _mm512_add_epi32(sums, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
  }
  __m512i even = _mm512_and_si512(w, _mm512_set1_epi16(255)), odd = _mm512_srli_epi16(w, 8);
  __m512i x_even = _mm512_srai_epi16(_mm512_slli_epi16(x, 8), 8), x_odd = _mm512_srai_epi16(x, 8);
  sums = _mm512_add_epi32(sums, _mm512_madd_epi16(even, x_even));
  return _mm512_add_epi32(sums, _mm512_madd_epi16(odd, x_odd));
#endif
}

// Four bytes to every lane.
SIMD_INLINE __m512i word_lanes(const void *p) { return _mm512_set1_epi32(word_at(p)); }

// scale * sum of int4's integers that began at their group's start (layout.h).
SIMD_INLINE __m512 without_anchor(__m512i dots, __m512 anchor) {
  return subtract(_mm512_castsi512_ps(dots), anchor);
}

// The sums of a group that are not yet added as floats, with what they are to be multiplied by.
typedef struct {
  __m512i dots[SIDE_TILES][SIDE_TOKENS];
  __m512 weight_scales[SIDE_TILES];
  const float *token_scales;
} integer_sums;

SIMD_INLINE void add_scaled_sum(martlet_format format, const integer_sums *group, size_t t,
                                size_t n, __m512 sums[SIDE_TILES][SIDE_TOKENS]) {
  __m512 scale = group->weight_scales[t], token_scale = broadcast(group->token_scales[n]);
  if (is_int4(format)) {
    sums[t][n] = fused(without_anchor(group->dots[t][n], token_scale), scale, sums[t][n]);
  } else {
    sums[t][n] = fused(from_ints(group->dots[t][n]), multiply(scale, token_scale), sums[t][n]);
  }
}

// The scales of a tile's rows at `scales`; `steps` are their rows' where they are stepped.
SIMD_INLINE __m512 row_scales(martlet_format format, const uint8_t *scales, __m512 steps) {
  if (format != MARTLET_INT4_STEPPED) return load_half((const uint16_t *)scales);
  return multiply(from_ints(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)scales))), steps);
}

// The products of the group at `codes` and `from` into `waiting`, whose own sums are added first.
SIMD_INLINE void fold_group(martlet_format format, size_t tiles, size_t tokens,
                            const uint8_t *const codes[], const uint8_t *const scales[],
                            const __m512 steps[], const integer_tokens *from, integer_sums *waiting,
                            __m512 sums[SIDE_TILES][SIDE_TOKENS]) {
  integer_sums group = {.token_scales = from->scales};
  UNROLL for (size_t n = 0; n < tokens; n++) {
    __m512i start = broadcast_int(from->starts[n]);
    UNROLL for (size_t t = 0; t < tiles; t++) group.dots[t][n] = start;
  }
  if (tokens == 1) {  // alone, a token has two chains of additions per tile
    UNROLL for (size_t t = 0; t < tiles; t++) group.dots[t][1] = _mm512_setzero_si512();
  }
  size_t added = 0;
  UNROLL for (size_t j = 0; j < 4; j++) {
    __m512i w[SIDE_TILES][2];
    UNROLL for (size_t t = 0; t < tiles; t++) unpack(format, codes[t], j, w[t]);
    UNROLL for (size_t half = 0; half < 2; half++) {
      UNROLL for (size_t n = 0; n < tokens; n++) {
        __m512i x = word_lanes(from->x + GROUP * n + 8 * j + 4 * half);
        size_t chain = tokens == 1 ? half : n;
        UNROLL for (size_t t = 0; t < tiles; t++) {
          group.dots[t][chain] = add_products(format, group.dots[t][chain], w[t][half], x);
        }
      }
      if (added < tiles * tokens) {
        add_scaled_sum(format, waiting, added % tiles, added / tiles, sums);
        added++;
      }
    }
  }
  UNROLL for (size_t t = 0; t < tiles; t++) {
    if (tokens == 1) group.dots[t][0] = _mm512_add_epi32(group.dots[t][0], group.dots[t][1]);
    group.weight_scales[t] = row_scales(format, scales[t], steps[t]);
  }
  *waiting = group;
}

SIMD_INLINE void fold_integer(martlet_format format, size_t tiles, size_t tokens,
                              const product_part *p, size_t first, pass_fetch fetch) {
  const size_t groups = block_groups(format), code_bytes = is_int4(format) ? 256 : 512;
  const size_t block_bytes = groups * code_bytes + 64;
  size_t blocks = weight_blocks(format, p->columns);
  integer_tokens from = integer_tokens_of(p, first);
  integer_sums waiting = {.token_scales = from.scales};  // all zero
  __m512 sums[SIDE_TILES][SIDE_TOKENS], steps[SIDE_TILES];
  const uint8_t *first_block[SIDE_TILES];
  UNROLL for (size_t t = 0; t < tiles; t++) {
    bool stepped = format == MARTLET_INT4_STEPPED;
    steps[t] = stepped ? load((const float *)p->tiles[t]) : zeros();
    first_block[t] = p->tiles[t] + (stepped ? STEPPED_HEAD_BYTES : 0);
    UNROLL for (size_t n = 0; n < tokens; n++) sums[t][n] = zeros();
  }
  for (size_t b = 0; b < blocks; b++) {
    if (tokens == 1) {
      UNROLL for (size_t t = 0; t < tiles; t++) {
        fetch_ahead(p, first_block[t] + b * block_bytes, block_bytes);
      }
    } else {
      fetch_share(p, tiles, block_bytes, &fetch);
    }
    UNROLL for (size_t g = 0; g < groups; g++) {
      const uint8_t *codes[SIDE_TILES], *scales[SIDE_TILES];
      UNROLL for (size_t t = 0; t < tiles; t++) {
        const uint8_t *block = first_block[t] + b * block_bytes;
        codes[t] = block + g * code_bytes;
        scales[t] = block + groups * code_bytes + 64 / groups * g;
      }
      fold_group(format, tiles, tokens, codes, scales, steps, &from, &waiting, sums);
      next_group(&from, p->width);
    }
  }
  UNROLL for (size_t n = 0; n < tokens; n++) {
    UNROLL for (size_t t = 0; t < tiles; t++) {
      add_scaled_sum(format, &waiting, t, n, sums);
      store_sums(p, t, first + n, sums[t][n]);
    }
  }
}

// A part's tokens, shared out evenly to passes over its weights.
SIMD_INLINE void fold_integer_tiles(martlet_format format, size_t tiles, const product_part *p) {
  size_t passes = divide_up(p->width, SIDE_TOKENS);
  for (size_t n = 0, tokens, pass = 0; n < p->width; n += tokens, pass++) {
    tokens = divide_up(p->width - n, passes - pass);
    pass_fetch fetch = fetch_of_pass(p, pass, passes);
    switch (tokens) {
      case 4: fold_integer(format, tiles, 4, p, n, fetch); break;
      case 3: fold_integer(format, tiles, 3, p, n, fetch); break;
      case 2: fold_integer(format, tiles, 2, p, n, fetch); break;
      default: fold_integer(format, tiles, 1, p, n, fetch); break;
    }
  }
}

SIMD static void fold_int8(const product_part *p) {
  if (p->tile_count == 2) fold_integer_tiles(MARTLET_INT8, 2, p);
  else fold_integer_tiles(MARTLET_INT8, 1, p);
}

// Functions of their own: how the compiler orders their loads decides how well memory keeps up.
__attribute__((noinline)) SIMD static void fold_int4_tile(const product_part *p) {
  fold_integer_tiles(MARTLET_INT4, 1, p);
}
__attribute__((noinline)) SIMD static void fold_stepped_tile(const product_part *p) {
  fold_integer_tiles(MARTLET_INT4_STEPPED, 1, p);
}

// One token passes over a gated part's tiles one after the other: measured on Zen 4, memory serves two
// places at a time more slowly (not so for nf4, which computes for longer).
SIMD_INLINE void fold_int4_part(martlet_format format, fold_function *fold_tile,
                                const product_part *p) {
  if (p->tile_count == 1) {
    fold_tile(p);
  } else if (p->width > 1) {
    fold_integer_tiles(format, 2, p);
  } else {
    for (size_t t = 0; t < 2; t++) {
      product_part one = tile_of(p, t);
      fold_tile(&one);
    }
  }
}

SIMD static void fold_int4(const product_part *p) {
  fold_int4_part(MARTLET_INT4, fold_int4_tile, p);
}
SIMD static void fold_stepped(const product_part *p) {
  fold_int4_part(MARTLET_INT4_STEPPED, fold_stepped_tile, p);
}
