// Products of nf4 matrices for AVX-512 VNNI: the 16 values as 16-bit integers, looked up by vpermw
// (which takes the low bits of each word, so that one shift per step is all the unpacking), times
// 12-bit activations by vpdpwssd. Integers are folded into a float every 32 columns: 32 x 2047 x
// 32767 still fits. Equal to the oracle bit for bit.
#if defined(__x86_64__)
#include "avx512_math.h"
#include "avx512.h"

enum { PREFETCH_BYTES = 2176, SIDE_BY_SIDE = 4 };

typedef struct {
  const uint8_t *tile;
  size_t blocks;
  const int16_t *x;     // [groups][width][32], at the first token
  const float *scales;  // [groups][width]
  size_t width;
  float *output;
  size_t output_stride, rows;
} nf4_part;

// 32 columns of 16 rows as 16 vectors: in the order of the activations, two columns to a lane.
AVX512_INLINE void look_up(const uint8_t *codes, __m512i values, __m512i w[16]) {
  UNROLL for (int j = 0; j < 4; j++) {
    __m512i four = _mm512_loadu_si512(codes + 64 * j);
    w[4 * j] = _mm512_permutexvar_epi16(four, values);
    w[4 * j + 1] = _mm512_permutexvar_epi16(_mm512_srli_epi16(four, 4), values);
    w[4 * j + 2] = _mm512_permutexvar_epi16(_mm512_srli_epi16(four, 8), values);
    w[4 * j + 3] = _mm512_permutexvar_epi16(_mm512_srli_epi16(four, 12), values);
  }
}

// 32 columns' dot products for `count` tokens side by side: their chains of additions are
// interleaved, since the scheduler is too small to find independent ones further on.
AVX512_INLINE void dot_group(const __m512i w[16], const int16_t *x, size_t count,
                             __m512i dots[SIDE_BY_SIDE]) {
  UNROLL for (size_t n = 0; n < count; n++) dots[n] = _mm512_setzero_si512();
  if (count == 1) {  // one token alone: two chains of its own
    __m512i other = _mm512_setzero_si512();
    UNROLL for (int j = 0; j < 16; j += 2) {
      dots[0] = _mm512_dpwssd_epi32(dots[0], w[j], broadcast_word(x + 2 * j));
      other = _mm512_dpwssd_epi32(other, w[j + 1], broadcast_word(x + 2 * j + 2));
    }
    dots[0] = _mm512_add_epi32(dots[0], other);
    return;
  }
  UNROLL for (size_t j = 0; j < 16; j++) {
    UNROLL for (size_t n = 0; n < count; n++) {
      dots[n] = _mm512_dpwssd_epi32(dots[n], w[j], broadcast_word(x + GROUP * n + 2 * j));
    }
  }
}

AVX512_INLINE void fold(size_t tokens, nf4_part p) {
  __m256i table = _mm256_loadu_si256((const __m256i *)martlet_nf4_integers);
  __m512i values = _mm512_broadcast_i64x4(table);  // twice over: bit 4 of an index is not masked
  __m512 sums[NF4_TOKEN_BLOCK];
  UNROLL for (size_t n = 0; n < tokens; n++) sums[n] = _mm512_setzero_ps();
  for (size_t b = 0; b < p.blocks; b++, p.tile += NF4_BLOCK_BYTES) {
    if (tokens == 1) {
      UNROLL for (size_t i = 0; i < NF4_BLOCK_BYTES; i += 64) {
        _mm_prefetch((const char *)p.tile + PREFETCH_BYTES + i, _MM_HINT_T0);
      }
    }
    UNROLL for (size_t quarter = 0; quarter < 4; quarter++) {
      __m512i w[16];
      look_up(p.tile + 256 * quarter, values, w);
      const uint8_t *scales = p.tile + 1024 + 32 * (quarter / 2);
      __m512 scale = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)scales));
      UNROLL for (size_t first = 0; first < tokens; first += SIDE_BY_SIDE) {
        size_t count = smaller(SIDE_BY_SIDE, tokens - first);
        __m512i dots[SIDE_BY_SIDE];
        dot_group(w, p.x + GROUP * first, count, dots);
        UNROLL for (size_t n = 0; n < count; n++) {
          __m512 factor = _mm512_mul_ps(scale, broadcast(p.scales[first + n]));
          sums[first + n] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[n]), factor, sums[first + n]);
        }
        // Keeps the compiler from mixing in more tokens, for which there are not enough registers.
        __asm__ volatile("" : "+v"(sums[first]), "+v"(w[0]));
      }
      p.x += GROUP * p.width;
      p.scales += p.width;
    }
  }
  UNROLL for (size_t n = 0; n < tokens; n++) {
    store_first(p.output + n * p.output_stride, p.rows, sums[n]);
  }
}

AVX512_INLINE void fold_block(nf4_part p) {
  for (size_t left = p.width, done; left > 0; left -= done) {
    done = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
    switch (done) {
      case 8: fold(8, p); break;
      case 4: fold(4, p); break;
      case 2: fold(2, p); break;
      default: fold(1, p); break;
    }
    p.x += GROUP * done;
    p.scales += done;
    p.output += done * p.output_stride;
  }
}

AVX512 void avx512_multiply_nf4(const martlet_product *p, size_t tile_begin, size_t tile_end) {
  size_t tile_bytes = martlet_tile_bytes(MARTLET_NF4, p->columns);
  size_t block_bytes = prepared_block_bytes(MARTLET_NF4, p->columns);
  size_t groups = padded_groups(MARTLET_NF4, p->columns);
  for (size_t t = tile_begin; t < tile_end; t++) {
    for (size_t first = 0; first < p->tokens; first += NF4_TOKEN_BLOCK) {
      size_t width = smaller(NF4_TOKEN_BLOCK, p->tokens - first);
      const uint8_t *block = (const uint8_t *)p->prepared + first / NF4_TOKEN_BLOCK * block_bytes;
      nf4_part part = {
          .tile = (const uint8_t *)p->weights + t * tile_bytes,
          .blocks = weight_blocks(MARTLET_NF4, p->columns),
          .x = (const int16_t *)block,
          .scales = (const float *)(block + 2 * groups * width * GROUP),
          .width = width,
          .output = p->output + first * p->output_stride + t * TILE,
          .output_stride = p->output_stride,
          .rows = p->rows - t * TILE,
      };
      fold_block(part);
    }
  }
}
#endif
