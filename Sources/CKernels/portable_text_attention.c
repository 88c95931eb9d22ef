// Attention within a text in plain C: the oracle of simd_avx512_text_attention.h. Scores and weights
// of one token at a time.
#include "layout.h"
#include "scalar_math.h"
#include "tables.h"

size_t martlet_text_attention_bytes(size_t head_dimension, size_t length) {
  size_t padded = round_up(length, GROUP);
  size_t keys_and_values = 2 * 2 * head_dimension * padded;
  size_t scores_and_weights = (4 + 2) * FLOAT_TOKEN_BLOCK * padded;
  size_t sums = 4 * FLOAT_TOKEN_BLOCK * GROUP, rows = sizeof(size_t) * padded;
  return keys_and_values + scores_and_weights + sums + rows;
}

// Element i of the head's part of a row.
static size_t element_at(const martlet_text_attention *a, size_t row, size_t i) {
  size_t columns = a->head_count * a->head_dimension, column = a->head * a->head_dimension + i;
  size_t step;
  size_t at = pair_row_at(columns, a->tokens, a->first + row, column / GROUP, &step);
  return at / 2 + column % GROUP;
}

static float element(const martlet_text_attention *a, const void *x, size_t row, size_t i) {
  return bfloat_to_float(((const uint16_t *)x)[element_at(a, row, i)]);
}

void portable_text_attention(const martlet_text_attention *a) {
  float *weights = a->scratch;
  for (size_t t = a->query_begin; t < a->query_end; t++) {
    float top = -INFINITY, total = 0;
    for (size_t j = 0; j < a->length; j++) {
      float sum = 0;
      for (size_t i = 0; i < a->head_dimension; i++) {
        sum = sum + element(a, a->query, t, i) * element(a, a->key, j, i);
      }
      weights[j] = sum * a->scale;
      top = weights[j] > top ? weights[j] : top;
    }
    for (size_t j = 0; j < a->length; j++) {
      weights[j] = exp_float(weights[j] - top);
      total = total + weights[j];
    }
    for (size_t i = 0; i < a->head_dimension; i++) {
      float sum = 0;
      for (size_t j = 0; j < a->length; j++) {
        float weight = bfloat_to_float(float_to_bfloat(weights[j]));
        sum = sum + weight * element(a, a->value, j, i);
      }
      ((uint16_t *)a->output)[element_at(a, t, i)] = float_to_bfloat(sum * (1.0f / total));
    }
  }
}
