// Everything between the matrix products, in plain C: the oracle. Sums run in 16 lanes (dot: 64)
// that a tree joins, so that SIMD versions are equal bit for bit without changing the order.
#include "scalar_math.h"
#include "tables.h"

void portable_rms_norm(const float *x, const float *weight, size_t n, float epsilon, float offset,
                       float *y) {
  float lanes[16] = {0};
  for (size_t i = 0; i < n; i++) lanes[i % 16] = lanes[i % 16] + x[i] * x[i];
  float inverse = 1.0f / sqrtf(sum_lanes(lanes) / (float)n + epsilon);
  for (size_t i = 0; i < n; i++) y[i] = (x[i] * inverse) * (weight[i] + offset);
}

void portable_layer_norm(const float *x, const float *weight, const float *bias, size_t n,
                         float epsilon, float *y) {
  float lanes[16] = {0};
  for (size_t i = 0; i < n; i++) lanes[i % 16] = lanes[i % 16] + x[i];
  float mean = sum_lanes(lanes) / (float)n;
  for (int i = 0; i < 16; i++) lanes[i] = 0;
  for (size_t i = 0; i < n; i++) {
    float centred = x[i] - mean;
    lanes[i % 16] = lanes[i % 16] + centred * centred;
  }
  float inverse = 1.0f / sqrtf(sum_lanes(lanes) / (float)n + epsilon);
  for (size_t i = 0; i < n; i++) y[i] = ((x[i] - mean) * inverse) * weight[i] + bias[i];
}

static float maximum(const float *x, size_t n) {
  float m = -INFINITY;
  for (size_t i = 0; i < n; i++) m = x[i] > m ? x[i] : m;
  return m;
}

void portable_softmax(float *x, size_t n) {
  float m = maximum(x, n), lanes[16] = {0};
  for (size_t i = 0; i < n; i++) {
    x[i] = exp_float(x[i] - m);
    lanes[i % 16] = lanes[i % 16] + x[i];
  }
  float inverse = 1.0f / sum_lanes(lanes);
  for (size_t i = 0; i < n; i++) x[i] = x[i] * inverse;
}

float portable_log_sum_exp(const float *x, size_t n) {
  float m = maximum(x, n), lanes[16] = {0};
  if (m == -INFINITY) return m;
  for (size_t i = 0; i < n; i++) lanes[i % 16] = lanes[i % 16] + exp_float(x[i] - m);
  return m + logf(sum_lanes(lanes));
}

void portable_silu_multiply(const float *gate, const float *up, size_t n, float *y) {
  for (size_t i = 0; i < n; i++) y[i] = (gate[i] / (1.0f + exp_float(0.0f - gate[i]))) * up[i];
}

void portable_silu(const float *x, size_t n, float *y) {
  for (size_t i = 0; i < n; i++) y[i] = x[i] / (1.0f + exp_float(0.0f - x[i]));
}

void portable_gelu(const float *x, size_t n, float *y) {
  for (size_t i = 0; i < n; i++) {
    y[i] = (x[i] * 0.5f) * (1.0f + erf_float(x[i] * 0.70710678f));
  }
}

void portable_gelu_tanh(const float *x, size_t n, float *y) {
  for (size_t i = 0; i < n; i++) {
    float u = x[i] * (GELU_SCALE + (GELU_CUBIC * x[i]) * x[i]);
    y[i] = x[i] / (1.0f + exp_float(0.0f - u));
  }
}

void portable_add(const float *x, const float *y, size_t n, float *z) {
  for (size_t i = 0; i < n; i++) z[i] = x[i] + y[i];
}

void portable_multiply_values(const float *x, const float *y, size_t n, float *z) {
  for (size_t i = 0; i < n; i++) z[i] = x[i] * y[i];
}

void portable_scale(const float *x, float factor, size_t n, float *y) {
  for (size_t i = 0; i < n; i++) y[i] = x[i] * factor;
}

void portable_add_scaled(const float *x, float factor, size_t n, float *y) {
  for (size_t i = 0; i < n; i++) y[i] = y[i] + x[i] * factor;
}

void portable_soft_cap(const float *x, float cap, size_t n, float *y) {
  for (size_t i = 0; i < n; i++) y[i] = soft_cap_float(x[i], cap);
}

void portable_rope(float *x, size_t heads, size_t d, size_t half, const float *cosine,
                   const float *sine) {
  for (size_t head = 0; head < heads; head++, x += d) {
    for (size_t i = 0; i < half; i++) {
      float a = x[i], b = x[i + half];
      x[i] = a * cosine[i] - b * sine[i];
      x[i + half] = b * cosine[i] + a * sine[i];
    }
  }
}

float portable_dot(const float *x, const float *y, size_t n) {
  float lanes[64] = {0}, joined[16];
  for (size_t i = 0; i < n; i++) lanes[i % 64] = lanes[i % 64] + x[i] * y[i];
  for (int i = 0; i < 16; i++) {
    joined[i] = (lanes[i] + lanes[i + 16]) + (lanes[i + 32] + lanes[i + 48]);
  }
  return sum_lanes(joined);
}

size_t portable_argmax(const float *x, size_t n) {
  size_t best = 0;
  float m = -INFINITY;
  for (size_t i = 0; i < n; i++) {
    if (x[i] > m) {
      m = x[i];
      best = i;
    }
  }
  return best;
}

uint64_t portable_read_sum(const void *bytes, size_t byte_count) {
  const uint64_t *words = bytes;
  uint64_t sum = 0;
  for (size_t i = 0; i < byte_count / 8; i++) sum += words[i];
  return sum;
}
