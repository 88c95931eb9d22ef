// Attention over KV blocks in plain C: the oracle. One row (token, query head) at a time, blocks of
// 32 positions in order, the softmax kept up to date block by block (the running maximum, the sum
// of weights and the output are rescaled whenever the maximum grows).
#include "scalar_math.h"
#include "tables.h"

static float element(bool half_precision, const void *block, size_t i) {
  return half_precision ? half_to_float(((const uint16_t *)block)[i]) : ((const float *)block)[i];
}

// One row: a token's query head, which sees the positions [begin, end).
typedef struct {
  const float *query;
  const float *bias;  // of position 0; NULL: none
  size_t begin, end;
  float slope;
} attention_row;

// Scores of the 32 positions of a block from `first` on; those outside [low, high) are minus
// infinity.
static void block_scores(const martlet_attention *a, const attention_row *row, const void *keys,
                         size_t first, size_t low, size_t high, float scores[MARTLET_KV_BLOCK]) {
  for (size_t j = 0; j < MARTLET_KV_BLOCK; j++) {
    float sum = 0;
    for (size_t i = 0; i < a->head_dimension; i++) {
      sum = sum + row->query[i] * element(a->half_precision, keys, i * MARTLET_KV_BLOCK + j);
    }
    sum = sum * a->scale;
    if (a->soft_cap > 0) sum = soft_cap_float(sum, a->soft_cap);
    if (a->slopes) sum = sum + row->slope * ((float)(first + j) - (float)(row->end - 1));
    bool seen = j >= low && j < high;
    if (seen && row->bias) sum = sum + row->bias[first + j];
    scores[j] = seen ? sum : -INFINITY;
  }
}

static void attend_row(const martlet_attention *a, const attention_row *row, float *output) {
  size_t d = a->head_dimension, begin = row->begin, end = row->end;
  float running_max = -INFINITY, running_sum = 0;
  for (size_t i = 0; i < d; i++) output[i] = 0;
  for (size_t b = begin / MARTLET_KV_BLOCK; b * MARTLET_KV_BLOCK < end; b++) {
    size_t first = b * MARTLET_KV_BLOCK, at = (size_t)a->block_table[b] * a->block_stride;
    size_t low = begin > first ? begin - first : 0;
    size_t high = end - first < MARTLET_KV_BLOCK ? end - first : MARTLET_KV_BLOCK;
    const void *values = (const char *)a->values + at;
    float p[MARTLET_KV_BLOCK], lanes[16], top = running_max;
    block_scores(a, row, (const char *)a->keys + at, first, low, high, p);
    for (size_t j = 0; j < MARTLET_KV_BLOCK; j++) top = p[j] > top ? p[j] : top;
    float decay = exp_float(running_max - top);
    for (size_t j = 0; j < MARTLET_KV_BLOCK; j++) p[j] = exp_float(p[j] - top);
    for (size_t j = 0; j < 16; j++) lanes[j] = p[j] + p[j + 16];
    running_sum = running_sum * decay + sum_lanes(lanes);
    running_max = top;
    for (size_t i = 0; i < d; i++) {
      float sum = output[i] * decay;
      for (size_t j = low; j < high; j++) {
        sum = sum + p[j] * element(a->half_precision, values, j * d + i);
      }
      output[i] = sum;
    }
  }
  float inverse = 1.0f / running_sum;
  for (size_t i = 0; i < d; i++) output[i] = output[i] * inverse;
}

void portable_attention(const martlet_attention *a) {
  for (size_t t = 0; t < a->token_count; t++) {
    size_t end = a->first_length + (a->causal ? t : 0);
    size_t begin = a->window && end > a->window ? end - a->window : 0;
    if (a->length && end > a->length) end = a->length;
    for (size_t head = 0; head < a->head_count; head++) {
      attention_row row = {
          .query = a->query + t * a->query_stride + head * a->head_dimension,
          .bias = a->bias ? a->bias + head * a->bias_stride - t : NULL,
          .begin = begin,
          .end = end,
          .slope = a->slopes ? a->slopes[head] : 0,
      };
      attend_row(a, &row, a->output + t * a->output_stride + head * a->head_dimension);
    }
  }
}
