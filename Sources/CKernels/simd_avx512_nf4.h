// Products of nf4 matrices for AVX-512: the 16 values as 16-bit integers, looked up by vpermw (which
// takes the low bits of each word, so that one shift per step is all the unpacking), times 12-bit
// activations, by vpdpwssd where there is VNNI. Integers are folded into a float every 32 columns:
// 32 x 2047 x 32767 still fits. Equal to the oracle bit for bit.
//
// Two tiles times eight tokens go together, so that a look-up serves all tokens; their floats wait on
// the stack while the integers are in registers. A token alone is bound by memory almost as much as by
// look-ups: it has no floats waiting, and asks for a block's scales, its last line, before the codes.

enum { NF4_TILES = 2, NF4_TOKENS = NF4_TOKEN_BLOCK };

// Two columns of each of 16 rows per vector: in the order of the activations.
SIMD_INLINE __m512i look_up(__m512i values, __m512i four, size_t step) {
  return _mm512_permutexvar_epi16(_mm512_srli_epi16(four, 4 * (unsigned)step), values);
}

// sums + the products of two columns; the two activations at `x` are the same for all rows.
SIMD_INLINE __m512i add_word_products(__m512i sums, __m512i w, const void *x) {
#if SIMD_VNNI
  // The intrinsic would do, but LLVM (21) makes two instructions of it that take half as long again.
  __asm__("vpdpwssd %2%{1to16%}, %1, %0" : "+v"(sums) : "v"(w), "m"(*(const char(*)[4])x));
  return sums;
#else
  return _mm512_add_epi32(sums, _mm512_madd_epi16(w, word_lanes(x)));
#endif
}

// The 32 columns at `codes` and `from`.
SIMD_INLINE void fold_quarter(size_t tiles, size_t tokens, __m512i values,
                              const uint8_t *const codes[], const uint8_t *const scales[],
                              const nf4_tokens *from, float sums[NF4_TILES][NF4_TOKENS][TILE]) {
  __m512i dots[NF4_TILES][NF4_TOKENS];
  UNROLL for (size_t n = 0; n < tokens; n++) {
    UNROLL for (size_t t = 0; t < tiles; t++) dots[t][n] = _mm512_setzero_si512();
  }
  UNROLL for (size_t j = 0; j < 4; j++) {
    __m512i four[NF4_TILES];
    UNROLL for (size_t t = 0; t < tiles; t++) four[t] = _mm512_loadu_si512(codes[t] + 64 * j);
    UNROLL for (size_t step = 0; step < 4; step++) {
      __m512i w[NF4_TILES];
      UNROLL for (size_t t = 0; t < tiles; t++) w[t] = look_up(values, four[t], step);
      UNROLL for (size_t n = 0; n < tokens; n++) {
        const int16_t *x = from->x + GROUP * n + 8 * j + 2 * step;
        UNROLL for (size_t t = 0; t < tiles; t++) {
          dots[t][n] = add_word_products(dots[t][n], w[t], x);
        }
      }
    }
  }
  UNROLL for (size_t t = 0; t < tiles; t++) {
    __m512 scale = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)scales[t]));
    UNROLL for (size_t n = 0; n < tokens; n++) {
      __m512 factor = _mm512_mul_ps(scale, broadcast(from->scales[n]));
      __m512 sum = _mm512_load_ps(sums[t][n]);
      _mm512_store_ps(sums[t][n], _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[t][n]), factor, sum));
    }
  }
  __asm__ volatile("" : : "r"(sums) : "memory");  // keeps the sums where they are
}

// Twice over: bit 4 of an index is not masked.
SIMD_INLINE __m512i nf4_values(void) {
  return _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)martlet_nf4_integers));
}

SIMD_INLINE void fold_nf4(size_t tiles, size_t tokens, const product_part *p) {
  __m512i values = nf4_values();
  size_t blocks = weight_blocks(MARTLET_NF4, p->columns);
  nf4_tokens from = nf4_tokens_of(p, 0);
  pass_fetch fetch = fetch_of_pass(p, 0, 1);
  float sums[NF4_TILES][NF4_TOKENS][TILE] __attribute__((aligned(64)));
  memset(sums, 0, sizeof sums);
  for (size_t b = 0; b < blocks; b++) {
    fetch_share(p, tiles, NF4_BLOCK_BYTES, &fetch);
    for (size_t quarter = 0; quarter < 4; quarter++) {
      const uint8_t *codes[NF4_TILES], *scales[NF4_TILES];
      UNROLL for (size_t t = 0; t < tiles; t++) {
        const uint8_t *block = p->tiles[t] + b * NF4_BLOCK_BYTES;
        codes[t] = block + 256 * quarter;
        scales[t] = block + 1024 + 32 * (quarter / 2);
      }
      fold_quarter(tiles, tokens, values, codes, scales, &from, sums);
      from.x += GROUP * p->width;
      from.scales += p->width;
    }
  }
  UNROLL for (size_t n = 0; n < tokens; n++) {
    UNROLL for (size_t t = 0; t < tiles; t++) store_sums(p, t, n, load(sums[t][n]));
  }
}

// The products of the 32 columns at `codes` and `x`, in four chains of additions.
SIMD_INLINE __m512i quarter_alone(__m512i values, const uint8_t *codes, const int16_t *x) {
  __m512i dots[4];
  UNROLL for (size_t step = 0; step < 4; step++) dots[step] = _mm512_setzero_si512();
  UNROLL for (size_t j = 0; j < 4; j++) {
    __m512i four = _mm512_loadu_si512(codes + 64 * j);
    UNROLL for (size_t step = 0; step < 4; step++) {
      __m512i w = look_up(values, four, step);
      dots[step] = add_word_products(dots[step], w, x + 8 * j + 2 * step);
    }
  }
  return _mm512_add_epi32(_mm512_add_epi32(dots[0], dots[1]), _mm512_add_epi32(dots[2], dots[3]));
}

SIMD_INLINE void fold_nf4_alone(size_t tiles, const product_part *p) {
  __m512i values = nf4_values();
  nf4_tokens from = nf4_tokens_of(p, 0);
  const uint8_t *block[NF4_TILES];
  __m512 sums[NF4_TILES];
  UNROLL for (size_t t = 0; t < tiles; t++) block[t] = p->tiles[t], sums[t] = zeros();
  for (size_t b = weight_blocks(MARTLET_NF4, p->columns); b > 0; b--) {
    UNROLL for (size_t t = 0; t < tiles; t++) fetch_ahead(p, block[t], NF4_BLOCK_BYTES);
    UNROLL for (size_t half = 0; half < 2; half++) {
      __m512 scales[NF4_TILES];
      UNROLL for (size_t t = 0; t < tiles; t++) {
        const uint8_t *at = block[t] + 1024 + 32 * half;
        scales[t] = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)at));
      }
      UNROLL for (size_t quarter = 2 * half; quarter < 2 * half + 2; quarter++) {
        UNROLL for (size_t t = 0; t < tiles; t++) {
          __m512i dots = quarter_alone(values, block[t] + 256 * quarter, from.x);
          __m512 factor = _mm512_mul_ps(scales[t], broadcast(*from.scales));
          sums[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots), factor, sums[t]);
        }
        from.x += GROUP;
        from.scales++;
      }
    }
    UNROLL for (size_t t = 0; t < tiles; t++) block[t] += NF4_BLOCK_BYTES;
  }
  UNROLL for (size_t t = 0; t < tiles; t++) store_sums(p, t, 0, sums[t]);
}

// A block of tokens is one pass.
SIMD_INLINE void fold_nf4_tiles(size_t tiles, const product_part *p) {
  switch (p->width) {
    case 8: fold_nf4(tiles, 8, p); break;
    case 7: fold_nf4(tiles, 7, p); break;
    case 6: fold_nf4(tiles, 6, p); break;
    case 5: fold_nf4(tiles, 5, p); break;
    case 4: fold_nf4(tiles, 4, p); break;
    case 3: fold_nf4(tiles, 3, p); break;
    case 2: fold_nf4(tiles, 2, p); break;
    default: fold_nf4_alone(tiles, p); break;
  }
}

SIMD static void fold_nf4_part(const product_part *p) {
  if (p->tile_count == 2) fold_nf4_tiles(2, p);
  else fold_nf4_tiles(1, p);
}
