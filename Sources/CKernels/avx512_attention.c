// Attention over KV blocks for AVX-512. Rows (a token's query head) that share a key/value head go
// through each block together, up to eight at a time, so that its keys and values are read once;
// each row's own arithmetic is the same whichever rows are beside it. Against the oracle the
// products are fused, so results agree to rounding.
#if defined(__x86_64__)
#include "avx512_math.h"
#include "avx512.h"

enum { MOST_ROWS = 8, VALUE_ROWS = 4, KV = MARTLET_KV_BLOCK };

// The rows that go through the blocks together. Rows attend to [begin, end); p are the weights of
// the current block, decay what its arrival leaves of the output so far.
typedef struct {
  size_t count;
  const float *query[MOST_ROWS];
  float *output[MOST_ROWS];
  size_t begin[MOST_ROWS], end[MOST_ROWS];
  float running_max[MOST_ROWS], running_sum[MOST_ROWS], decay[MOST_ROWS];
  float p[MOST_ROWS][KV];
} row_group;

AVX512_INLINE __m512 load_kv(bool half_precision, const void *block, size_t i, size_t count) {
  if (!half_precision) return load_first((const float *)block + i, count);
  return _mm512_cvtph_ps(
      _mm256_maskz_loadu_epi16(first_lanes(count), (const uint16_t *)block + i));
}

AVX512_INLINE void scores(bool half_precision, size_t rows, row_group *g, size_t first_row,
                          const void *keys, size_t d, float scale) {
  __m512 low[MOST_ROWS], high[MOST_ROWS];
  UNROLL for (size_t r = 0; r < rows; r++) low[r] = high[r] = _mm512_setzero_ps();
  for (size_t i = 0; i < d; i++) {
    __m512 k0 = load_kv(half_precision, keys, i * KV, 16);
    __m512 k1 = load_kv(half_precision, keys, i * KV + 16, 16);
    UNROLL for (size_t r = 0; r < rows; r++) {
      __m512 q = broadcast(g->query[first_row + r][i]);
      low[r] = _mm512_fmadd_ps(q, k0, low[r]);
      high[r] = _mm512_fmadd_ps(q, k1, high[r]);
    }
  }
  UNROLL for (size_t r = 0; r < rows; r++) {
    _mm512_storeu_ps(g->p[first_row + r], _mm512_mul_ps(low[r], broadcast(scale)));
    _mm512_storeu_ps(g->p[first_row + r] + 16, _mm512_mul_ps(high[r], broadcast(scale)));
  }
}

// Turns a row's scores into weights and brings its running maximum and sum up to date. A block that
// the row does not see leaves it as it was.
AVX512_INLINE void soften(row_group *g, size_t r, size_t first) {
  size_t low = g->begin[r] > first ? g->begin[r] - first : 0;
  size_t high = g->end[r] <= first ? 0 : smaller(g->end[r] - first, KV);
  if (low >= high) {
    g->decay[r] = 1;
    memset(g->p[r], 0, sizeof g->p[r]);
    return;
  }
  uint32_t seen = (high == KV ? 0xffffffffu : (1u << high) - 1) & ~((1u << low) - 1);
  __m512 none = broadcast(-INFINITY);
  __m512 s0 = _mm512_mask_loadu_ps(none, (__mmask16)seen, g->p[r]);
  __m512 s1 = _mm512_mask_loadu_ps(none, (__mmask16)(seen >> 16), g->p[r] + 16);
  float most = _mm512_reduce_max_ps(_mm512_max_ps(s0, s1));
  float top = most > g->running_max[r] ? most : g->running_max[r];
  __m512 p0 = exp_lanes(_mm512_sub_ps(s0, broadcast(top)));
  __m512 p1 = exp_lanes(_mm512_sub_ps(s1, broadcast(top)));
  _mm512_storeu_ps(g->p[r], p0);
  _mm512_storeu_ps(g->p[r] + 16, p1);
  g->decay[r] = exp_float(g->running_max[r] - top);
  g->running_sum[r] = g->running_sum[r] * g->decay[r] + tree_sum(_mm512_add_ps(p0, p1));
  g->running_max[r] = top;
}

// output = output * decay + weights x values, for 64 dimensions from `at` (or as many as are left)
// of a few rows, over the positions [from, to) of the block.
AVX512_INLINE void accumulate(bool half_precision, size_t rows, row_group *g, size_t first_row,
                              const void *values, size_t d, size_t at, size_t from, size_t to) {
  __m512 sums[VALUE_ROWS][4];
  UNROLL for (size_t r = 0; r < rows; r++) {
    __m512 decay = broadcast(g->decay[first_row + r]);
    UNROLL for (size_t v = 0; v < 4; v++) {
      size_t i = at + 16 * v;
      __m512 old = load_first(g->output[first_row + r] + i, i < d ? d - i : 0);
      sums[r][v] = _mm512_mul_ps(old, decay);
    }
  }
  for (size_t j = from; j < to; j++) {
    __m512 value[4];
    UNROLL for (size_t v = 0; v < 4; v++) {
      size_t i = at + 16 * v;
      value[v] = load_kv(half_precision, values, j * d + i, i < d ? d - i : 0);
    }
    UNROLL for (size_t r = 0; r < rows; r++) {
      __m512 p = broadcast(g->p[first_row + r][j]);
      UNROLL for (size_t v = 0; v < 4; v++) sums[r][v] = _mm512_fmadd_ps(p, value[v], sums[r][v]);
    }
  }
  UNROLL for (size_t r = 0; r < rows; r++) {
    UNROLL for (size_t v = 0; v < 4; v++) {
      size_t i = at + 16 * v;
      store_first(g->output[first_row + r] + i, i < d ? d - i : 0, sums[r][v]);
    }
  }
}

AVX512_INLINE void fold_block(bool half_precision, const martlet_attention *a, row_group *g,
                              size_t first, size_t from, size_t to) {
  size_t at = (size_t)a->block_table[first / KV] * a->block_stride, d = a->head_dimension;
  const void *keys = (const char *)a->keys + at, *values = (const char *)a->values + at;
  for (size_t r = 0, done; r < g->count; r += done) {
    size_t left = g->count - r;
    done = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
    if (done == 8) scores(half_precision, 8, g, r, keys, d, a->scale);
    else if (done == 4) scores(half_precision, 4, g, r, keys, d, a->scale);
    else if (done == 2) scores(half_precision, 2, g, r, keys, d, a->scale);
    else scores(half_precision, 1, g, r, keys, d, a->scale);
  }
  for (size_t r = 0; r < g->count; r++) soften(g, r, first);
  for (size_t i = 0; i < d; i += 64) {
    for (size_t r = 0, done; r < g->count; r += done) {
      done = g->count - r >= VALUE_ROWS ? VALUE_ROWS : 1;
      if (done == 1) accumulate(half_precision, 1, g, r, values, d, i, from, to);
      else accumulate(half_precision, VALUE_ROWS, g, r, values, d, i, from, to);
    }
  }
}

AVX512_INLINE void attend(bool half_precision, const martlet_attention *a, row_group *g) {
  size_t begin = g->begin[0], end = g->end[0], d = a->head_dimension;
  for (size_t r = 0; r < g->count; r++) {
    begin = smaller(begin, g->begin[r]);
    end = g->end[r] > end ? g->end[r] : end;
    g->running_max[r] = -INFINITY;
    g->running_sum[r] = 0;
    memset(g->output[r], 0, d * sizeof(float));
  }
  for (size_t first = begin / KV * KV; first < end; first += KV) {
    size_t from = begin > first ? begin - first : 0;
    fold_block(half_precision, a, g, first, from, smaller(end - first, KV));
  }
  for (size_t r = 0; r < g->count; r++) {
    __m512 inverse = broadcast(1.0f / g->running_sum[r]);
    for (size_t i = 0; i < d; i += 16) {
      float *o = g->output[r] + i;
      store_first(o, d - i, _mm512_mul_ps(load_first(o, d - i), inverse));
    }
  }
}

AVX512 static void attend_half(const martlet_attention *a, row_group *g) { attend(true, a, g); }
AVX512 static void attend_float(const martlet_attention *a, row_group *g) { attend(false, a, g); }

void avx512_attention(const martlet_attention *a) {
  size_t rows = a->token_count * a->head_count;
  for (size_t next = 0; next < rows;) {
    row_group g = {.count = smaller(MOST_ROWS, rows - next)};
    for (size_t r = 0; r < g.count; r++, next++) {
      size_t t = next / a->head_count, at = next % a->head_count * a->head_dimension;
      g.query[r] = a->query + t * a->query_stride + at;
      g.output[r] = a->output + t * a->output_stride + at;
      g.end[r] = a->first_length + (a->causal ? t : 0);
      g.begin[r] = a->window && g.end[r] > a->window ? g.end[r] - a->window : 0;
    }
    if (a->half_precision) attend_half(a, &g);
    else attend_float(a, &g);
  }
}
#endif
