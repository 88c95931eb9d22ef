// Products of float32, float16 and bfloat16 matrices for AVX-512: one accumulator per tile and
// token, fused multiply-add over the columns in order. How many tiles and tokens a loop serves
// changes nothing in any one of them.
#if defined(__x86_64__)
#include "avx512_math.h"
#include "avx512.h"

// Column k of a tile's 16 rows.
AVX512_INLINE __m512 weights_at(martlet_format format, const uint8_t *tile, size_t k) {
  if (format == MARTLET_FLOAT32) return _mm512_loadu_ps((const float *)tile + 16 * k);
  __m256i half = _mm256_loadu_si256((const __m256i *)(tile + 32 * k));
  if (format == MARTLET_FLOAT16) return _mm512_cvtph_ps(half);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

typedef struct {
  const uint8_t *tiles;
  size_t tile_bytes, columns, rows;  // rows: those left from the first tile on
  const float *x;                    // [columns][width], at the first token
  size_t width;
  float *output;  // at the first tile's first row, first token
  size_t output_stride;
} float_part;

AVX512_INLINE void fold(martlet_format format, size_t tile_count, size_t tokens, float_part p) {
  __m512 sums[4][FLOAT_TOKEN_BLOCK];
  UNROLL for (size_t t = 0; t < tile_count; t++) {
    UNROLL for (size_t n = 0; n < tokens; n++) sums[t][n] = _mm512_setzero_ps();
  }
  const float *x = p.x;
  for (size_t k = 0; k < p.columns; k++, x += p.width) {
    __m512 w[4];
    UNROLL for (size_t t = 0; t < tile_count; t++) {
      w[t] = weights_at(format, p.tiles + t * p.tile_bytes, k);
    }
    UNROLL for (size_t n = 0; n < tokens; n++) {
      __m512 value = broadcast(x[n]);
      UNROLL for (size_t t = 0; t < tile_count; t++) {
        sums[t][n] = _mm512_fmadd_ps(w[t], value, sums[t][n]);
      }
    }
  }
  UNROLL for (size_t n = 0; n < tokens; n++) {
    UNROLL for (size_t t = 0; t < tile_count; t++) {
      store_first(p.output + n * p.output_stride + 16 * t, p.rows - 16 * t, sums[t][n]);
    }
  }
}

// All tokens of one block, as many at a time as there are registers for.
AVX512_INLINE void fold_block(martlet_format format, size_t tile_count, float_part p) {
  for (size_t n = 0; n < p.width;) {
    size_t left = p.width - n, done = left >= 12 ? 12 : left >= 4 ? 4 : 1;
    if (done == 12) fold(format, tile_count, 12, p);
    else if (done == 4) fold(format, tile_count, 4, p);
    else fold(format, tile_count, 1, p);
    n += done;
    p.x += done;
    p.output += done * p.output_stride;
  }
}

AVX512_INLINE void multiply(martlet_format format, const martlet_product *p, size_t tile_begin,
                            size_t tile_end) {
  size_t tile_bytes = martlet_tile_bytes(format, p->columns);
  size_t block_bytes = prepared_block_bytes(format, p->columns);
  size_t most = p->tokens == 1 ? 4 : 2, done;  // one token alone: four tiles hide the latency
  for (size_t t = tile_begin; t < tile_end; t += done) {
    done = tile_end - t >= most ? most : 1;
    for (size_t b = 0; b * FLOAT_TOKEN_BLOCK < p->tokens; b++) {
      size_t first = b * FLOAT_TOKEN_BLOCK;
      float_part part = {
          .tiles = (const uint8_t *)p->weights + t * tile_bytes,
          .tile_bytes = tile_bytes,
          .columns = p->columns,
          .rows = p->rows - t * TILE,
          .x = (const float *)((const uint8_t *)p->prepared + b * block_bytes),
          .width = smaller(FLOAT_TOKEN_BLOCK, p->tokens - first),
          .output = p->output + first * p->output_stride + t * TILE,
          .output_stride = p->output_stride,
      };
      if (done == 4) fold(format, 4, 1, part);
      else if (done == 2) fold_block(format, 2, part);
      else fold_block(format, 1, part);
    }
  }
}

AVX512 static void multiply_float32(const martlet_product *p, size_t begin, size_t end) {
  multiply(MARTLET_FLOAT32, p, begin, end);
}
AVX512 static void multiply_float16(const martlet_product *p, size_t begin, size_t end) {
  multiply(MARTLET_FLOAT16, p, begin, end);
}
AVX512 static void multiply_bfloat16(const martlet_product *p, size_t begin, size_t end) {
  multiply(MARTLET_BFLOAT16, p, begin, end);
}

void avx512_multiply_float(const martlet_product *p, size_t tile_begin, size_t tile_end) {
  if (p->format == MARTLET_FLOAT32) multiply_float32(p, tile_begin, tile_end);
  else if (p->format == MARTLET_FLOAT16) multiply_float16(p, tile_begin, tile_end);
  else multiply_bfloat16(p, tile_begin, tile_end);
}
#endif
