// Attention over KV blocks. Rows (a token's query head) that share a key/value head go through the
// blocks together, up to eight at a time, so that keys and values are read once; each row's own
// arithmetic is the same whichever rows are beside it. Scores are softened a span of
// SPAN positions at a time, spans beginning at its multiples: what that costs per position is
// little, and where a sequence is cut changes nothing. Against the oracle the products are fused,
// so results agree to rounding. Compiled once per instruction set (simd_table.h).

enum {
  MOST_ROWS = 8,
  KV = MARTLET_KV_BLOCK,
  SPAN = 4 * KV,
  VALUE_VECTORS = 2,  // of 16 dimensions, for all rows at a time
};

// The rows that go through the blocks together. Rows attend to [begin, end); p are the weights of
// the current span, decay what its arrival leaves of the output so far.
typedef struct {
  size_t count;
  const float *query[MOST_ROWS];
  const float *bias[MOST_ROWS];  // of position 0; NULL: none
  float *output[MOST_ROWS];
  size_t begin[MOST_ROWS], end[MOST_ROWS];
  float slope[MOST_ROWS];
  float running_sum[MOST_ROWS];
  float running_max[16], decay[16];  // [MOST_ROWS], filled up to a vector
  float p[MOST_ROWS][SPAN] __attribute__((aligned(64)));
} row_group;

SIMD_INLINE floats load_kv(bool half_precision, const void *block, size_t i, size_t count) {
  if (!half_precision) return load_first((const float *)block + i, count);
  return load_half_first((const uint16_t *)block + i, count);
}

// The lines that hold row i of a block of keys (32 positions), or as much of a block of values. A span's
// values are fetched while its scores are computed, the next span's keys while its values are summed,
// so that memory is busy all the time.
SIMD_INLINE const char *kv_row(bool half_precision, const void *block, size_t i) {
  return (const char *)block + i * KV * (half_precision ? 2 : 4);
}

// For what follows at once.
SIMD_INLINE void fetch_row(bool half_precision, const void *block, size_t i) {
  const char *row = kv_row(half_precision, block, i);
  __builtin_prefetch(row, 0, 3);
  if (!half_precision) __builtin_prefetch(row + 64, 0, 3);
}

// Into the second-level cache.
SIMD_INLINE void fetch_row_ahead(bool half_precision, const void *block, size_t i) {
  const char *row = kv_row(half_precision, block, i);
  __builtin_prefetch(row, 0, 2);
  if (!half_precision) __builtin_prefetch(row + 64, 0, 2);
}

// Scores of one block into p[r][at...], for a few rows.
SIMD_INLINE void scores(bool half_precision, size_t rows, row_group *g, size_t first_row,
                        size_t at, const martlet_attention *a, const void *keys,
                        const void *values) {
  floats low[MOST_ROWS], high[MOST_ROWS];
  UNROLL for (size_t r = 0; r < rows; r++) low[r] = high[r] = zeros();
  for (size_t i = 0; i < a->head_dimension; i++) {
    floats k0 = load_kv(half_precision, keys, i * KV, 16);
    floats k1 = load_kv(half_precision, keys, i * KV + 16, 16);
    fetch_row(half_precision, values, i);
    UNROLL for (size_t r = 0; r < rows; r++) {
      floats q = broadcast(g->query[first_row + r][i]);
      low[r] = fused(q, k0, low[r]);
      high[r] = fused(q, k1, high[r]);
    }
  }
  floats scale = broadcast(a->scale);
  UNROLL for (size_t r = 0; r < rows; r++) {
    store(g->p[first_row + r] + at, multiply(low[r], scale));
    store(g->p[first_row + r] + at + 16, multiply(high[r], scale));
  }
}

// Soft cap and slopes, on row r's scores of the first `count` positions of the span at `first`.
SIMD_INLINE void bend_scores(const martlet_attention *a, row_group *g, size_t r, size_t first,
                             size_t count) {
  static const float lanes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  for (size_t i = 0; i < count; i += 16) {
    floats score = load(g->p[r] + i);
    if (a->soft_cap > 0) score = soft_cap_lanes(score, broadcast(a->soft_cap));
    if (a->slopes) {
      floats position = add(load(lanes), broadcast((float)(first + i)));
      floats distance = subtract(position, broadcast((float)(g->end[r] - 1)));
      score = add(score, multiply(broadcast(g->slope[r]), distance));
    }
    store(g->p[r] + i, score);
  }
}

// Row r's scores of the span at `first` with their biases, unseen positions at minus infinity, and
// their maximum; of the span's first `count`.
SIMD_INLINE float mask_scores(row_group *g, size_t r, size_t first, size_t count) {
  size_t low = g->begin[r] > first ? smaller(g->begin[r] - first, count) : 0;
  size_t high = g->end[r] > first ? smaller(g->end[r] - first, count) : 0;
  float *p = g->p[r];
  if (g->bias[r]) {
    for (size_t i = low; i < high; i++) p[i] = p[i] + g->bias[r][first + i];
  }
  for (size_t i = 0; i < low; i++) p[i] = -INFINITY;
  for (size_t i = high; i < count; i++) p[i] = -INFINITY;
  floats most = load(p);
  for (size_t i = 16; i < count; i += 16) most = maximum(most, load(p + i));
  return largest(most);
}

// Turns the rows' scores of the span's positions up to `to` into weights and brings their running maxima
// and sums up to date. A span that a row does not see leaves it as it was.
SIMD_INLINE void soften(const martlet_attention *a, row_group *g, size_t first, size_t to) {
  size_t count = round_up(to, 16);
  if (a->soft_cap > 0 || a->slopes) {
    for (size_t r = 0; r < g->count; r++) bend_scores(a, g, r, first, count);
  }
  float top[16] = {0};  // what is subtracted from scores; zero while a row has seen nothing
  floats before = load(g->running_max);
  for (size_t r = 0; r < g->count; r++) {
    float most = mask_scores(g, r, first, count);
    if (most > g->running_max[r]) g->running_max[r] = most;
    if (g->running_max[r] != -INFINITY) top[r] = g->running_max[r];
  }
  store(g->decay, decay_lanes(subtract(before, load(top))));
  for (size_t r = 0; r < g->count; r++) {
    floats sums = zeros();
    for (size_t i = 0; i < count; i += 16) {
      floats p = decay_lanes(subtract(load(g->p[r] + i), broadcast(top[r])));
      store(g->p[r] + i, p);
      sums = add(sums, p);
    }
    g->running_sum[r] = g->running_sum[r] * g->decay[r] + tree_sum(sums);
  }
}

// output = output * decay + weights x values for VALUE_VECTORS vectors of dimensions from `at` (or
// as many as are left), over the positions [from, to) of the span at `first`. `last`: the last block.
SIMD_INLINE void accumulate(bool half_precision, size_t rows, row_group *g, size_t first_row,
                            const martlet_attention *a, size_t at, size_t first, size_t from,
                            size_t to, size_t last) {
  size_t left[VALUE_VECTORS];
  floats sums[MOST_ROWS][VALUE_VECTORS];
  UNROLL for (size_t v = 0; v < VALUE_VECTORS; v++) {
    size_t i = at + 16 * v;
    left[v] = i < a->head_dimension ? a->head_dimension - i : 0;
    UNROLL for (size_t r = 0; r < rows; r++) {
      floats decay = broadcast(g->decay[first_row + r]);
      sums[r][v] = multiply(load_first(g->output[first_row + r] + i, left[v]), decay);
    }
  }
  bool whole = left[VALUE_VECTORS - 1] >= 16;
  for (size_t j = from; j < to;) {
    size_t block = (first + j) / KV, end = smaller(to, (block + 1) * KV - first);
    const void *values = (const char *)a->values + (size_t)a->block_table[block] * a->block_stride;
    size_t d = a->head_dimension, row = ((first + j) % KV) * d + at;
    size_t next = (size_t)a->block_table[smaller(block + SPAN / KV, last)] * a->block_stride;
    const char *next_keys = (const char *)a->keys + next;
    for (; j < end; j++, row += d) {
      fetch_row_ahead(half_precision, next_keys, row / (16 * VALUE_VECTORS));
      floats value[VALUE_VECTORS];
      UNROLL for (size_t v = 0; v < VALUE_VECTORS; v++) {
        value[v] = load_kv(half_precision, values, row + 16 * v, whole ? 16 : left[v]);
      }
      UNROLL for (size_t r = 0; r < rows; r++) {
        floats p = broadcast(g->p[first_row + r][j]);
        UNROLL for (size_t v = 0; v < VALUE_VECTORS; v++) {
          sums[r][v] = fused(p, value[v], sums[r][v]);
        }
      }
    }
  }
  UNROLL for (size_t v = 0; v < VALUE_VECTORS; v++) {
    UNROLL for (size_t r = 0; r < rows; r++) {
      store_first(g->output[first_row + r] + at + 16 * v, left[v], sums[r][v]);
    }
  }
}

// Calls for as many rows at a time as there are registers for: ATTENTION_ROWS (8 or 2), and halves
// of that for what is left.
#define IN_ROW_COUNTS(count, call)                    \
  for (size_t r = 0, done; r < (count); r += done) {  \
    done = ATTENTION_ROWS;                            \
    while (done > (count) - r) done /= 2;             \
    if (done == ATTENTION_ROWS) call(ATTENTION_ROWS); \
    else if (done == 4) call(4);                      \
    else if (done == 2) call(2);                      \
    else call(1);                                     \
  }

SIMD_INLINE void fold_span(bool half_precision, const martlet_attention *a, row_group *g,
                           size_t first, size_t from, size_t to, size_t last) {
  for (size_t at = from / KV * KV; at < to; at += KV) {
    size_t block = (first + at) / KV;
    size_t here = (size_t)a->block_table[block] * a->block_stride;
    const char *keys = a->keys, *values = a->values;
#define SCORES(rows) scores(half_precision, rows, g, r, at, a, keys + here, values + here)
    IN_ROW_COUNTS(g->count, SCORES)
  }
  soften(a, g, first, to);
  for (size_t i = 0; i < a->head_dimension; i += 16 * VALUE_VECTORS) {
#define ACCUMULATE(rows) accumulate(half_precision, rows, g, r, a, i, first, from, to, last)
    IN_ROW_COUNTS(g->count, ACCUMULATE)
  }
}

SIMD_INLINE void attend(bool half_precision, const martlet_attention *a, row_group *g) {
  size_t begin = g->begin[0], end = g->end[0], d = a->head_dimension;
  for (size_t r = 0; r < g->count; r++) {
    begin = smaller(begin, g->begin[r]);
    end = g->end[r] > end ? g->end[r] : end;
    g->running_sum[r] = 0;
    memset(g->output[r], 0, d * sizeof(float));
  }
  for (size_t r = 0; r < 16; r++) g->running_max[r] = -INFINITY;
  for (size_t first = begin / SPAN * SPAN; first < end; first += SPAN) {
    size_t from = begin > first ? begin - first : 0;
    fold_span(half_precision, a, g, first, from, smaller(end - first, SPAN), (end - 1) / KV);
  }
  for (size_t r = 0; r < g->count; r++) {
    floats inverse = broadcast(1.0f / g->running_sum[r]);
    for (size_t i = 0; i < d; i += 16) {
      float *o = g->output[r] + i;
      store_first(o, d - i, multiply(load_first(o, d - i), inverse));
    }
  }
}

SIMD static void attend_half(const martlet_attention *a, row_group *g) { attend(true, a, g); }
SIMD static void attend_float(const martlet_attention *a, row_group *g) { attend(false, a, g); }

SIMD static void simd_attention(const martlet_attention *a) {
  size_t rows = a->token_count * a->head_count;
  for (size_t next = 0; next < rows;) {
    row_group g = {.count = smaller(MOST_ROWS, rows - next)};
    for (size_t r = 0; r < g.count; r++, next++) {
      size_t t = next / a->head_count, head = next % a->head_count;
      size_t at = head * a->head_dimension;
      g.slope[r] = a->slopes ? a->slopes[head] : 0;
      g.query[r] = a->query + t * a->query_stride + at;
      g.bias[r] = a->bias ? a->bias + head * a->bias_stride - t : NULL;
      g.output[r] = a->output + t * a->output_stride + at;
      g.end[r] = a->first_length + (a->causal ? t : 0);
      g.begin[r] = a->window && g.end[r] > a->window ? g.end[r] - a->window : 0;
      if (a->length) g.end[r] = smaller(g.end[r], a->length);
    }
    if (a->half_precision) attend_half(a, &g);
    else attend_float(a, &g);
  }
}
