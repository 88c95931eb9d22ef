// Attention within a text by products of bfloat16 pairs. To a block of queries the head's keys are a
// matrix of one row per position, and so are its values turned around to the block's weights: both
// products are simd_avx512_pairs.h's. All scores of a block are there at once, so that softmax takes
// each row as a whole. Included where those products are (simd_table.h).

enum { BLOCK = FLOAT_TOKEN_BLOCK };

// Scratch memory of one head of one text, its length rounded up to whole groups.
typedef struct {
  size_t padded;
  uint8_t *keys;     // tiles of 16 positions
  uint8_t *values;   // tiles of 16 dimensions
  float *scores;     // [BLOCK][padded]
  uint8_t *weights;  // [padded / 32][BLOCK][32], as products take them
  float *sums;       // [BLOCK][32]
  size_t *rows;      // [padded]
} text_scratch;

SIMD_INLINE text_scratch text_scratch_of(const martlet_text_attention *a) {
  text_scratch s = {.padded = round_up(a->length, GROUP)};
  s.keys = a->scratch;
  s.values = s.keys + 2 * a->head_dimension * s.padded;
  s.scores = (float *)(s.values + 2 * a->head_dimension * s.padded);
  s.weights = (uint8_t *)(s.scores + BLOCK * s.padded);
  s.sums = (float *)(s.weights + 2 * BLOCK * s.padded);
  s.rows = (size_t *)(s.sums + BLOCK * GROUP);
  return s;
}

// Where the group's 32 columns of each of the text's rows are in activations.
SIMD_INLINE void find_rows(const martlet_text_attention *a, const text_scratch *s, size_t group) {
  size_t columns = a->head_count * a->head_dimension, step;
  group += a->head * a->head_dimension / GROUP;
  for (size_t row = 0; row < a->length;) {
    size_t at = pair_row_at(columns, a->tokens, a->first + row, group, &step);
    size_t end = smaller(a->length, row + BLOCK - (a->first + row) % BLOCK);
    for (; row < end; row++, at += 2 * GROUP) s->rows[row] = at;
  }
}

// Those of one row; zeros behind the text's end.
SIMD_INLINE __m512i text_row(const martlet_text_attention *a, const text_scratch *s, const void *x,
                             size_t row) {
  if (row >= a->length) return _mm512_setzero_si512();
  return _mm512_load_si512((const char *)x + s->rows[row]);
}

// Sixteen words of sixteen rows, turned around.
SIMD_INLINE void transpose(__m512i r[16]) {
  __m512i t[16];
  UNROLL for (size_t i = 0; i < 8; i++) {
    t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  }
  UNROLL for (size_t i = 0; i < 4; i++) {
    r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  }
  UNROLL for (size_t i = 0; i < 4; i++) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
  UNROLL for (size_t i = 0; i < 8; i++) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
  }
}

// Keys: tile [d / 2][16 positions][2].
SIMD_INLINE void pack_keys(const martlet_text_attention *a, const text_scratch *s, size_t group) {
  size_t tile_bytes = 2 * TILE * a->head_dimension;
  uint8_t *to = s->keys + 2 * GROUP * TILE * group;
  for (size_t first = 0; first < s->padded; first += TILE, to += tile_bytes) {
    __m512i rows[16];
    UNROLL for (size_t i = 0; i < 16; i++) rows[i] = text_row(a, s, a->key, first + i);
    transpose(rows);
    UNROLL for (size_t i = 0; i < 16; i++) _mm512_store_si512(to + 64 * i, rows[i]);
  }
}

// Values: tile [padded / 2][16 dimensions][2 positions].
SIMD_INLINE void pack_values(const martlet_text_attention *a, const text_scratch *s, size_t group) {
  __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  // Word i of the one beside word i of the other.
  __m512i low = _mm512_add_epi32(lanes, _mm512_slli_epi32(_mm512_add_epi32(
                                            lanes, _mm512_set1_epi32(32)), 16));
  __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
  size_t tile_bytes = 2 * TILE * s->padded;
  uint8_t *to = s->values + 2 * group * tile_bytes;
  for (size_t row = 0; row < s->padded; row += 2, to += 4 * TILE) {
    __m512i even = text_row(a, s, a->value, row), odd = text_row(a, s, a->value, row + 1);
    _mm512_store_si512(to, _mm512_permutex2var_epi16(even, low, odd));
    _mm512_store_si512(to + tile_bytes, _mm512_permutex2var_epi16(even, high, odd));
  }
}

// The tokens [begin, end) of a part's block.
SIMD_INLINE void fold_some(const product_part *p, size_t begin, size_t end) {
  for (size_t n = begin, done; n < end; n += done) {
    size_t left = end - n;
    done = left >= BLOCK ? BLOCK : left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
    if (done == BLOCK) fold_pairs_of(2, BLOCK, p, n);
    else if (done == 8) fold_pairs_of(2, 8, p, n);
    else if (done == 4) fold_pairs_of(2, 4, p, n);
    else if (done == 2) fold_pairs_of(2, 2, p, n);
    else fold_pairs_of(2, 1, p, n);
  }
}

// 2^x for x up to 0, to 8e-5.
SIMD_INLINE floats short_power(floats x) {
  floats n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  floats r = subtract(x, n), p = broadcast(0.05517134070396423f);
  p = fused(p, r, broadcast(0.24261116981506348f));
  p = fused(p, r, broadcast(0.6932610273361206f));
  p = fused(p, r, broadcast(0.9999280571937561f));
  return scale_by_power(p, n);
}

// 32 weights of a row, of which the first `count` are its text's, as pairs.
SIMD_INLINE __m512i weigh_group(const float *scores, size_t count, floats factor, floats top,
                                floats sums[2]) {
  floats p[2];
  UNROLL for (size_t k = 0; k < 2; k++) {
    p[k] = short_power(_mm512_fmsub_ps(load(scores + 16 * k), factor, top));
    if (count < GROUP) p[k] = keep_first(p[k], count > 16 * k ? count - 16 * k : 0);
    sums[k] = add(sums[k], p[k]);
  }
  return (__m512i)_mm512_cvtne2ps_pbh(p[1], p[0]);
}

// Weights of a row of scores, [padded / 32][BLOCK][32] from its place on; returns their sum.
SIMD_INLINE float weigh(const float *scores, size_t length, float scale, uint8_t *to) {
  floats most = broadcast(-INFINITY), sums[2] = {zeros(), zeros()};
  size_t i = 0;
  for (; i + 16 <= length; i += 16) most = maximum(most, load(scores + i));
  if (i < length) most = maximum(most, load_first_or(-INFINITY, scores + i, length - i));
  floats factor = broadcast(scale * EXP_LOG2E);
  floats top = multiply(broadcast(largest(most)), factor);
  for (i = 0; i + GROUP <= length; i += GROUP, to += 2 * GROUP * BLOCK) {
    _mm512_store_si512(to, weigh_group(scores + i, GROUP, factor, top, sums));
  }
  if (i < length) {
    _mm512_store_si512(to, weigh_group(scores + i, length - i, factor, top, sums));
  }
  return _mm512_reduce_add_ps(add(sums[0], sums[1]));
}

// The rows [begin, end) of a block of `width` tokens, whose queries and output these are.
SIMD_INLINE void attend_block(const martlet_text_attention *a, const text_scratch *s,
                              const uint8_t *queries, uint8_t *output, size_t width, size_t begin,
                              size_t end) {
  size_t d = a->head_dimension;
  product_part part = {.columns = d, .tile_count = 2, .block = queries, .width = width,
                       .output = s->scores, .token_step = s->padded, .tile_step = TILE,
                       .rows = 2 * TILE};
  for (size_t j = 0; j < s->padded; j += 2 * TILE, part.output += 2 * TILE) {
    part.tiles[0] = s->keys + 2 * d * j;
    part.tiles[1] = part.tiles[0] + 2 * d * TILE;
    fold_some(&part, begin, end);
  }
  floats inverse[BLOCK];
  for (size_t n = begin; n < end; n++) {
    float sum = weigh(s->scores + n * s->padded, a->length, a->scale, s->weights + 2 * GROUP * n);
    inverse[n] = broadcast(1 / sum);
  }
  part = (product_part){.columns = s->padded, .tile_count = 2, .block = s->weights, .width = BLOCK,
                        .output = s->sums, .token_step = GROUP, .tile_step = TILE,
                        .rows = 2 * TILE};
  for (size_t i = 0; i < d; i += GROUP) {
    part.tiles[0] = s->values + 2 * i * s->padded;
    part.tiles[1] = part.tiles[0] + 2 * TILE * s->padded;
    fold_some(&part, begin, end);
    for (size_t n = begin; n < end; n++) {
      floats low = multiply(load(s->sums + GROUP * n), inverse[n]);
      floats high = multiply(load(s->sums + GROUP * n + TILE), inverse[n]);
      _mm512_store_si512(output + 2 * (i * width + GROUP * n),
                         (__m512i)_mm512_cvtne2ps_pbh(high, low));
    }
  }
}

SIMD static void simd_text_attention(const martlet_text_attention *a) {
  text_scratch scratch = text_scratch_of(a);
  for (size_t group = 0; group < a->head_dimension / GROUP; group++) {
    find_rows(a, &scratch, group);
    pack_keys(a, &scratch, group);
    pack_values(a, &scratch, group);
  }
  size_t columns = a->head_count * a->head_dimension;
  size_t group = a->head * a->head_dimension / GROUP, end = a->first + a->query_end;
  for (size_t row = a->first + a->query_begin, next; row < end; row = next) {
    size_t begin = row % BLOCK, width = smaller(BLOCK, a->tokens - (row - begin)), step;
    next = smaller(end, row - begin + BLOCK);
    size_t at = pair_row_at(columns, a->tokens, row - begin, group, &step);
    attend_block(a, &scratch, (const uint8_t *)a->query + at, (uint8_t *)a->output + at, width,
                 begin, begin + (next - row));
  }
}
