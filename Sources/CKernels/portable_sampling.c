// What sampling asks of a row of logits, in plain C: the oracle. Weights are single precision, their
// sum is double precision in 16 lanes that a tree joins.
#include "scalar_math.h"
#include "tables.h"

double portable_exponentials(const float *x, size_t n, float divisor, float maximum, float *y) {
  double lanes[16] = {0};
  for (size_t i = 0; i < n; i++) {
    float e = exp_float(x[i] / divisor - maximum);
    if (y) y[i] = e;
    lanes[i % 16] = lanes[i % 16] + (double)e;
  }
  return sum_double_lanes(lanes);
}

size_t portable_select(const float *x, size_t n, float threshold, int32_t *ids, size_t capacity) {
  size_t count = 0;
  for (size_t i = 0; i < n; i++) {
    if (x[i] < threshold) continue;
    if (count < capacity) ids[count] = (int32_t)i;
    count++;
  }
  return count;
}
