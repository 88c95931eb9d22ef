// Everything between the matrix products: the operations and the order of additions of
// portable_layers.c in 16 lanes, equal to it bit for bit. Tails are masked: nothing is read or
// written past the end. Compiled once per instruction set (simd_table.h).

SIMD static void simd_rms_norm(const float *x, const float *weight, size_t n, float epsilon,
                            float offset, float *y) {
  floats sum = zeros();
  for (size_t i = 0; i < n; i += 16) {
    floats v = load_first(x + i, n - i);
    sum = add(sum, multiply(v, v));
  }
  floats inverse = broadcast(1.0f / sqrtf(tree_sum(sum) / (float)n + epsilon));
  for (size_t i = 0; i < n; i += 16) {
    floats w = add(load_first(weight + i, n - i), broadcast(offset));
    store_first(y + i, n - i, multiply(multiply(load_first(x + i, n - i), inverse), w));
  }
}

SIMD static void simd_layer_norm(const float *x, const float *weight, const float *bias, size_t n,
                              float epsilon, float *y) {
  size_t whole = n / 16 * 16, left = n - whole;
  floats sum = zeros(), squares = sum;
  for (size_t i = 0; i < whole; i += 16) sum = add(sum, load(x + i));
  if (left > 0) sum = add(sum, load_first(x + whole, left));
  floats mean = broadcast(tree_sum(sum) / (float)n);
  for (size_t i = 0; i < whole; i += 16) {
    floats centred = subtract(load(x + i), mean);
    squares = add(squares, multiply(centred, centred));
  }
  if (left > 0) {
    floats centred = keep_first(subtract(load_first(x + whole, left), mean), left);
    squares = add(squares, multiply(centred, centred));
  }
  floats inverse = broadcast(1.0f / sqrtf(tree_sum(squares) / (float)n + epsilon));
  for (size_t i = 0; i < whole; i += 16) {
    floats v = multiply(multiply(subtract(load(x + i), mean), inverse), load(weight + i));
    store(y + i, add(v, load(bias + i)));
  }
  if (left > 0) {
    floats v = multiply(subtract(load_first(x + whole, left), mean), inverse);
    v = multiply(v, load_first(weight + whole, left));
    store_first(y + whole, left, add(v, load_first(bias + whole, left)));
  }
}

SIMD_INLINE float largest_of(const float *x, size_t n) {
  floats m = broadcast(-INFINITY);
  for (size_t i = 0; i < n; i += 16) {  // the second operand wins over NaN, as in the oracle
    floats v = load_first_or(-INFINITY, x + i, n - i);
    m = maximum(v, m);
  }
  return largest(m);
}

SIMD static void simd_softmax(float *x, size_t n) {
  floats m = broadcast(largest_of(x, n)), sum = zeros();
  for (size_t i = 0; i < n; i += 16) {
    floats e = exp_lanes(subtract(load_first(x + i, n - i), m));
    store_first(x + i, n - i, e);
    sum = add(sum, keep_first(e, n - i));
  }
  floats inverse = broadcast(1.0f / tree_sum(sum));
  for (size_t i = 0; i < n; i += 16) {
    store_first(x + i, n - i, multiply(load_first(x + i, n - i), inverse));
  }
}

SIMD static float simd_log_sum_exp(const float *x, size_t n) {
  float m = largest_of(x, n);
  if (m == -INFINITY) return m;
  floats sum = zeros();
  for (size_t i = 0; i < n; i += 16) {
    floats e = exp_lanes(subtract(load_first(x + i, n - i), broadcast(m)));
    sum = add(sum, keep_first(e, n - i));
  }
  return m + logf(tree_sum(sum));
}

SIMD static void simd_silu_multiply(const float *gate, const float *up, size_t n, float *y) {
  for (size_t i = 0; i < n; i += 16) {
    floats g = load_first(gate + i, n - i);
    floats e = exp_lanes(subtract(zeros(), g));
    floats v = divide(g, add(broadcast(1.0f), e));
    store_first(y + i, n - i, multiply(v, load_first(up + i, n - i)));
  }
}

SIMD static void simd_silu(const float *x, size_t n, float *y) {
  for (size_t i = 0; i < n; i += 16) {
    floats v = load_first(x + i, n - i);
    floats e = exp_lanes(subtract(zeros(), v));
    store_first(y + i, n - i, divide(v, add(broadcast(1.0f), e)));
  }
}

SIMD static void simd_gelu(const float *x, size_t n, float *y) {
  for (size_t i = 0; i < n; i += 16) {
    floats v = load_first(x + i, n - i);
    floats e = erf_lanes(multiply(v, broadcast(0.70710678f)));
    floats half = multiply(v, broadcast(0.5f));
    store_first(y + i, n - i, multiply(half, add(broadcast(1.0f), e)));
  }
}

SIMD static void simd_gelu_tanh(const float *x, size_t n, float *y) {
  for (size_t i = 0; i < n; i += 16) {
    floats v = load_first(x + i, n - i);
    floats u = multiply(multiply(broadcast(GELU_CUBIC), v), v);
    u = multiply(v, add(broadcast(GELU_SCALE), u));
    floats e = exp_lanes(subtract(zeros(), u));
    store_first(y + i, n - i, divide(v, add(broadcast(1.0f), e)));
  }
}

SIMD static void simd_add(const float *x, const float *y, size_t n, float *z) {
  for (size_t i = 0; i < n; i += 16) {
    store_first(z + i, n - i, add(load_first(x + i, n - i), load_first(y + i, n - i)));
  }
}

SIMD static void simd_multiply_values(const float *x, const float *y, size_t n, float *z) {
  for (size_t i = 0; i < n; i += 16) {
    store_first(z + i, n - i, multiply(load_first(x + i, n - i), load_first(y + i, n - i)));
  }
}

SIMD static void simd_scale(const float *x, float factor, size_t n, float *y) {
  for (size_t i = 0; i < n; i += 16) {
    store_first(y + i, n - i, multiply(load_first(x + i, n - i), broadcast(factor)));
  }
}

SIMD static void simd_add_scaled(const float *x, float factor, size_t n, float *y) {
  for (size_t i = 0; i < n; i += 16) {
    floats v = multiply(load_first(x + i, n - i), broadcast(factor));
    store_first(y + i, n - i, add(load_first(y + i, n - i), v));
  }
}

SIMD static void simd_soft_cap(const float *x, float cap, size_t n, float *y) {
  for (size_t i = 0; i < n; i += 16) {
    store_first(y + i, n - i, soft_cap_lanes(load_first(x + i, n - i), broadcast(cap)));
  }
}

SIMD static void simd_rope(float *x, size_t heads, size_t d, size_t half, const float *cosine,
                        const float *sine) {
  for (size_t head = 0; head < heads; head++, x += d) {
    for (size_t i = 0; i < half; i += 16) {
      size_t count = half - i;
      floats a = load_first(x + i, count), b = load_first(x + half + i, count);
      floats c = load_first(cosine + i, count), s = load_first(sine + i, count);
      store_first(x + i, count, subtract(multiply(a, c), multiply(b, s)));
      store_first(x + half + i, count, add(multiply(b, c), multiply(a, s)));
    }
  }
}

SIMD_INLINE floats add_product(floats sum, const float *x, const float *y, size_t left) {
  return add(sum, multiply(load_first(x, left), load_first(y, left)));
}

SIMD static float simd_dot(const float *x, const float *y, size_t n) {
  floats lanes[4];
  size_t i = 0;
  for (int k = 0; k < 4; k++) lanes[k] = zeros();
  for (; i + 64 <= n; i += 64) {
    UNROLL for (size_t k = 0; k < 4; k++) {
      floats product = multiply(load(x + i + 16 * k),
                                     load(y + i + 16 * k));
      lanes[k] = add(lanes[k], product);
    }
  }
  UNROLL for (size_t k = 0; k < 4; k++) {
    if (i + 16 * k < n) {
      lanes[k] = add_product(lanes[k], x + i + 16 * k, y + i + 16 * k, n - i - 16 * k);
    }
  }
  return tree_sum(add(add(lanes[0], lanes[1]),
                                add(lanes[2], lanes[3])));
}

SIMD static size_t simd_argmax(const float *x, size_t n) {
  float m = largest_of(x, n);
  if (m == -INFINITY) return 0;
  for (size_t i = 0; i < n; i += 16) {
    size_t lane = first_equal(load_first(x + i, n - i), m, n - i);
    if (lane < 16) return i + lane;
  }
  return 0;
}

SIMD static uint64_t simd_read_sum(const void *bytes, size_t byte_count) {
  const char *p = bytes;
  ints sums[4] = {int_zeros(), int_zeros(), int_zeros(), int_zeros()};
  size_t i = 0;
  for (; i + 256 <= byte_count; i += 256) {
    UNROLL for (size_t k = 0; k < 4; k++) sums[k] = add_quads(sums[k], p + i + 64 * k);
  }
  uint64_t sum = 0;
  for (size_t k = 0; k < 4; k++) sum += sum_quads(sums[k]);
  for (; i + 8 <= byte_count; i += 8) {
    uint64_t word;
    memcpy(&word, p + i, 8);
    sum += word;
  }
  return sum;
}
