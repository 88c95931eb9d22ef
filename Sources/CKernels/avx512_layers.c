// Everything between the matrix products for AVX-512: the operations and the order of additions of
// portable_layers.c in 16 lanes, equal to it bit for bit. Tails are masked: nothing is read or
// written past the end.
#if defined(__x86_64__)
#include "avx512_math.h"
#include "avx512.h"

AVX512 void avx512_rms_norm(const float *x, const float *weight, size_t n, float epsilon,
                            float offset, float *y) {
  __m512 sum = _mm512_setzero_ps();
  for (size_t i = 0; i < n; i += 16) {
    __m512 v = load_first(x + i, n - i);
    sum = _mm512_add_ps(sum, _mm512_mul_ps(v, v));
  }
  __m512 inverse = broadcast(1.0f / sqrtf(tree_sum(sum) / (float)n + epsilon));
  for (size_t i = 0; i < n; i += 16) {
    __m512 w = _mm512_add_ps(load_first(weight + i, n - i), broadcast(offset));
    store_first(y + i, n - i, _mm512_mul_ps(_mm512_mul_ps(load_first(x + i, n - i), inverse), w));
  }
}

AVX512 void avx512_layer_norm(const float *x, const float *weight, const float *bias, size_t n,
                              float epsilon, float *y) {
  __m512 sum = _mm512_setzero_ps(), squares = sum;
  for (size_t i = 0; i < n; i += 16) sum = _mm512_add_ps(sum, load_first(x + i, n - i));
  __m512 mean = broadcast(tree_sum(sum) / (float)n);
  for (size_t i = 0; i < n; i += 16) {
    __m512 centred = _mm512_maskz_sub_ps(first_lanes(n - i), load_first(x + i, n - i), mean);
    squares = _mm512_add_ps(squares, _mm512_mul_ps(centred, centred));
  }
  __m512 inverse = broadcast(1.0f / sqrtf(tree_sum(squares) / (float)n + epsilon));
  for (size_t i = 0; i < n; i += 16) {
    __m512 v = _mm512_mul_ps(_mm512_sub_ps(load_first(x + i, n - i), mean), inverse);
    v = _mm512_mul_ps(v, load_first(weight + i, n - i));
    store_first(y + i, n - i, _mm512_add_ps(v, load_first(bias + i, n - i)));
  }
}

AVX512_INLINE float maximum(const float *x, size_t n) {
  __m512 m = broadcast(-INFINITY);
  for (size_t i = 0; i < n; i += 16) {  // the second operand wins over NaN, as in the oracle
    __m512 v = _mm512_mask_loadu_ps(broadcast(-INFINITY), first_lanes(n - i), x + i);
    m = _mm512_max_ps(v, m);
  }
  return _mm512_reduce_max_ps(m);
}

AVX512 void avx512_softmax(float *x, size_t n) {
  __m512 m = broadcast(maximum(x, n)), sum = _mm512_setzero_ps();
  for (size_t i = 0; i < n; i += 16) {
    __m512 e = exp_lanes(_mm512_sub_ps(load_first(x + i, n - i), m));
    store_first(x + i, n - i, e);
    sum = _mm512_add_ps(sum, _mm512_maskz_mov_ps(first_lanes(n - i), e));
  }
  __m512 inverse = broadcast(1.0f / tree_sum(sum));
  for (size_t i = 0; i < n; i += 16) {
    store_first(x + i, n - i, _mm512_mul_ps(load_first(x + i, n - i), inverse));
  }
}

AVX512 float avx512_log_sum_exp(const float *x, size_t n) {
  float m = maximum(x, n);
  if (m == -INFINITY) return m;
  __m512 sum = _mm512_setzero_ps();
  for (size_t i = 0; i < n; i += 16) {
    __m512 e = exp_lanes(_mm512_sub_ps(load_first(x + i, n - i), broadcast(m)));
    sum = _mm512_add_ps(sum, _mm512_maskz_mov_ps(first_lanes(n - i), e));
  }
  return m + logf(tree_sum(sum));
}

AVX512 void avx512_silu_multiply(const float *gate, const float *up, size_t n, float *y) {
  for (size_t i = 0; i < n; i += 16) {
    __m512 g = load_first(gate + i, n - i);
    __m512 e = exp_lanes(_mm512_sub_ps(_mm512_setzero_ps(), g));
    __m512 v = _mm512_div_ps(g, _mm512_add_ps(broadcast(1.0f), e));
    store_first(y + i, n - i, _mm512_mul_ps(v, load_first(up + i, n - i)));
  }
}

AVX512 void avx512_gelu(const float *x, size_t n, float *y) {
  for (size_t i = 0; i < n; i += 16) {
    __m512 v = load_first(x + i, n - i);
    __m512 e = erf_lanes(_mm512_mul_ps(v, broadcast(0.70710678f)));
    __m512 half = _mm512_mul_ps(v, broadcast(0.5f));
    store_first(y + i, n - i, _mm512_mul_ps(half, _mm512_add_ps(broadcast(1.0f), e)));
  }
}

AVX512 void avx512_add(const float *x, const float *y, size_t n, float *z) {
  for (size_t i = 0; i < n; i += 16) {
    store_first(z + i, n - i, _mm512_add_ps(load_first(x + i, n - i), load_first(y + i, n - i)));
  }
}

AVX512 void avx512_rope(float *x, size_t heads, size_t d, size_t half, const float *cosine,
                        const float *sine) {
  for (size_t head = 0; head < heads; head++, x += d) {
    for (size_t i = 0; i < half; i += 16) {
      size_t count = half - i;
      __m512 a = load_first(x + i, count), b = load_first(x + half + i, count);
      __m512 c = load_first(cosine + i, count), s = load_first(sine + i, count);
      store_first(x + i, count, _mm512_sub_ps(_mm512_mul_ps(a, c), _mm512_mul_ps(b, s)));
      store_first(x + half + i, count, _mm512_add_ps(_mm512_mul_ps(b, c), _mm512_mul_ps(a, s)));
    }
  }
}

AVX512_INLINE __m512 add_product(__m512 sum, const float *x, const float *y, size_t left) {
  return _mm512_add_ps(sum, _mm512_mul_ps(load_first(x, left), load_first(y, left)));
}

AVX512_INLINE float dot(const float *x, const float *y, size_t n) {
  __m512 lanes[4];
  size_t i = 0;
  for (int k = 0; k < 4; k++) lanes[k] = _mm512_setzero_ps();
  for (; i + 64 <= n; i += 64) {
    UNROLL for (size_t k = 0; k < 4; k++) {
      __m512 product = _mm512_mul_ps(_mm512_loadu_ps(x + i + 16 * k),
                                     _mm512_loadu_ps(y + i + 16 * k));
      lanes[k] = _mm512_add_ps(lanes[k], product);
    }
  }
  UNROLL for (size_t k = 0; k < 4; k++) {
    if (i + 16 * k < n) {
      lanes[k] = add_product(lanes[k], x + i + 16 * k, y + i + 16 * k, n - i - 16 * k);
    }
  }
  return tree_sum(_mm512_add_ps(_mm512_add_ps(lanes[0], lanes[1]),
                                _mm512_add_ps(lanes[2], lanes[3])));
}

AVX512 float avx512_dot(const float *x, const float *y, size_t n) { return dot(x, y, n); }

AVX512 void avx512_dot_rows(const float *query, const float *rows, size_t n, size_t count,
                            float *scores) {
  for (size_t row = 0; row < count; row++) scores[row] = dot(query, rows + row * n, n);
}

AVX512 size_t avx512_argmax(const float *x, size_t n) {
  float m = maximum(x, n);
  if (m == -INFINITY) return 0;
  for (size_t i = 0; i < n; i += 16) {
    __mmask16 equal = _mm512_mask_cmp_ps_mask(first_lanes(n - i), load_first(x + i, n - i),
                                              broadcast(m), _CMP_EQ_OQ);
    if (equal) return i + (size_t)__builtin_ctz(equal);
  }
  return 0;
}

AVX512 uint64_t avx512_read_sum(const void *bytes, size_t byte_count) {
  const char *p = bytes;
  __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
  size_t i = 0;
  for (; i + 256 <= byte_count; i += 256) {
    a = _mm512_add_epi64(a, _mm512_loadu_si512(p + i));
    b = _mm512_add_epi64(b, _mm512_loadu_si512(p + i + 64));
    c = _mm512_add_epi64(c, _mm512_loadu_si512(p + i + 128));
    d = _mm512_add_epi64(d, _mm512_loadu_si512(p + i + 192));
  }
  __m512i all = _mm512_add_epi64(_mm512_add_epi64(a, b), _mm512_add_epi64(c, d));
  uint64_t sum = (uint64_t)_mm512_reduce_add_epi64(all);
  for (; i + 8 <= byte_count; i += 8) {
    uint64_t word;
    memcpy(&word, p + i, 8);
    sum += word;
  }
  return sum;
}
#endif
