// Products of int8 and int4 matrices for AVX-512 VNNI: unsigned weight codes times signed
// activations by vpdpbusd, the weights' offset undone by the prepared correction, integers folded
// into a float per group of 32. Lane r is row r of the tile. Equal to the oracle bit for bit.
#if defined(__x86_64__)
#include "avx512_math.h"
#include "avx512.h"

enum {
  PREFETCH_BYTES = 2304,  // far enough ahead of one token's pass through memory
  SIDE_BY_SIDE = 4,
};

typedef struct {
  const uint8_t *tile;
  size_t blocks;
  const int8_t *x;           // [groups][width][32], at the first token
  const float *scales;       // [groups][width]
  const int32_t *corrections;
  size_t width;
  float *output;
  size_t output_stride, rows;
} integer_part;

// The eight vectors of a group's codes: vector j holds columns 4j...4j+3 of each row.
AVX512_INLINE void unpack_group(martlet_format format, const uint8_t *codes, __m512i w[8]) {
  if (format == MARTLET_INT8) {
    UNROLL for (int j = 0; j < 8; j++) w[j] = _mm512_loadu_si512(codes + 64 * j);
    return;
  }
  __m512i low = _mm512_set1_epi8(15);
  UNROLL for (int j = 0; j < 4; j++) {
    __m512i two = _mm512_loadu_si512(codes + 64 * j);
    w[2 * j] = _mm512_and_si512(two, low);
    w[2 * j + 1] = _mm512_and_si512(_mm512_srli_epi16(two, 4), low);
  }
}

// The group's dot products for `count` tokens side by side: their chains of additions are
// interleaved, since the scheduler is too small to find independent ones further on.
AVX512_INLINE void dot_group(const __m512i w[8], const integer_part *p, size_t first, size_t count,
                             __m512i dots[SIDE_BY_SIDE]) {
  UNROLL for (size_t n = 0; n < count; n++) {
    dots[n] = _mm512_set1_epi32(p->corrections[first + n]);
  }
  if (count == 1) {  // one token alone: two chains of its own
    const int8_t *x = p->x + GROUP * first;
    __m512i other = _mm512_setzero_si512();
    UNROLL for (int j = 0; j < 8; j += 2) {
      dots[0] = _mm512_dpbusd_epi32(dots[0], w[j], broadcast_word(x + 4 * j));
      other = _mm512_dpbusd_epi32(other, w[j + 1], broadcast_word(x + 4 * j + 4));
    }
    dots[0] = _mm512_add_epi32(dots[0], other);
    return;
  }
  UNROLL for (size_t j = 0; j < 8; j++) {
    UNROLL for (size_t n = 0; n < count; n++) {
      __m512i x = broadcast_word(p->x + GROUP * (first + n) + 4 * j);
      dots[n] = _mm512_dpbusd_epi32(dots[n], w[j], x);
    }
  }
}

AVX512_INLINE void fold(martlet_format format, size_t tokens, integer_part p) {
  const size_t code_bytes = format == MARTLET_INT4 ? 256 : 512;
  const size_t block_bytes = format == MARTLET_INT4 ? INT4_BLOCK_BYTES : INT8_BLOCK_BYTES;
  __m512 sums[INTEGER_TOKEN_BLOCK];
  UNROLL for (size_t n = 0; n < tokens; n++) sums[n] = _mm512_setzero_ps();
  for (size_t b = 0; b < p.blocks; b++, p.tile += block_bytes) {
    if (tokens == 1) {
      UNROLL for (size_t i = 0; i < block_bytes; i += 64) {
        _mm_prefetch((const char *)p.tile + PREFETCH_BYTES + i, _MM_HINT_T0);
      }
    }
    UNROLL for (size_t h = 0; h < 2; h++) {
      __m512i w[8];
      unpack_group(format, p.tile + h * code_bytes, w);
      const uint8_t *scales = p.tile + 2 * code_bytes + 32 * h;
      __m512 scale = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)scales));
      UNROLL for (size_t first = 0; first < tokens; first += SIDE_BY_SIDE) {
        size_t count = smaller(SIDE_BY_SIDE, tokens - first);
        __m512i dots[SIDE_BY_SIDE];
        dot_group(w, &p, first, count, dots);
        UNROLL for (size_t n = 0; n < count; n++) {
          __m512 factor = _mm512_mul_ps(scale, broadcast(p.scales[first + n]));
          sums[first + n] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[n]), factor, sums[first + n]);
        }
        // Keeps the compiler from mixing in more tokens, for which there are not enough registers.
        __asm__ volatile("" : "+v"(sums[first]), "+v"(w[0]));
      }
      p.x += GROUP * p.width;
      p.scales += p.width;
      p.corrections += p.width;
    }
  }
  UNROLL for (size_t n = 0; n < tokens; n++) {
    store_first(p.output + n * p.output_stride, p.rows, sums[n]);
  }
}

AVX512_INLINE void fold_block(martlet_format format, integer_part p) {
  for (size_t left = p.width, done; left > 0; left -= done) {
    done = left >= 16 ? 16 : left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
    switch (done) {
      case 16: fold(format, 16, p); break;
      case 8: fold(format, 8, p); break;
      case 4: fold(format, 4, p); break;
      case 2: fold(format, 2, p); break;
      default: fold(format, 1, p); break;
    }
    p.x += GROUP * done;
    p.scales += done;
    p.corrections += done;
    p.output += done * p.output_stride;
  }
}

AVX512_INLINE void multiply(martlet_format format, const martlet_product *p, size_t tile_begin,
                            size_t tile_end) {
  size_t tile_bytes = martlet_tile_bytes(format, p->columns);
  size_t block_bytes = prepared_block_bytes(format, p->columns);
  size_t groups = padded_groups(format, p->columns);
  for (size_t t = tile_begin; t < tile_end; t++) {
    for (size_t first = 0; first < p->tokens; first += INTEGER_TOKEN_BLOCK) {
      size_t width = smaller(INTEGER_TOKEN_BLOCK, p->tokens - first);
      const uint8_t *block =
          (const uint8_t *)p->prepared + first / INTEGER_TOKEN_BLOCK * block_bytes;
      const float *scales = (const float *)(block + groups * width * GROUP);
      integer_part part = {
          .tile = (const uint8_t *)p->weights + t * tile_bytes,
          .blocks = weight_blocks(format, p->columns),
          .x = (const int8_t *)block,
          .scales = scales,
          .corrections = (const int32_t *)(scales + groups * width),
          .width = width,
          .output = p->output + first * p->output_stride + t * TILE,
          .output_stride = p->output_stride,
          .rows = p->rows - t * TILE,
      };
      fold_block(format, part);
    }
  }
}

AVX512 static void multiply_int8(const martlet_product *p, size_t begin, size_t end) {
  multiply(MARTLET_INT8, p, begin, end);
}
AVX512 static void multiply_int4(const martlet_product *p, size_t begin, size_t end) {
  multiply(MARTLET_INT4, p, begin, end);
}

void avx512_multiply_integer(const martlet_product *p, size_t tile_begin, size_t tile_end) {
  (p->format == MARTLET_INT8 ? multiply_int8 : multiply_int4)(p, tile_begin, tile_end);
}
#endif
