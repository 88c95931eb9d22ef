// What sampling asks of a row of logits: the operations and the order of additions of
// portable_sampling.c, equal to it bit for bit. Tails are masked: nothing is read or written past
// the end. Compiled once per instruction set (simd_table.h).

SIMD static double simd_exponentials(const float *x, size_t n, float divisor, float maximum,
                                     float *y) {
  doubles sums = double_zeros();
  for (size_t i = 0; i < n; i += 16) {
    floats score = divide(load_first(x + i, n - i), broadcast(divisor));
    floats e = keep_first(exp_lanes(subtract(score, broadcast(maximum))), n - i);
    if (y) store_first(y + i, n - i, e);
    sums = add_widened(sums, e);
  }
  double lanes[16];
  store_doubles(lanes, sums);
  return sum_double_lanes(lanes);
}

SIMD static size_t simd_select(const float *x, size_t n, float threshold, int32_t *ids,
                               size_t capacity) {
  size_t count = 0;
  for (size_t i = 0; i < n; i += 64) {
    uint64_t mask = 0;
    UNROLL for (size_t k = 0; k < 64; k += 16) {
      if (i + k < n) {
        mask |= (uint64_t)not_below(load_first(x + i + k, n - i - k), threshold, n - i - k) << k;
      }
    }
    for (; mask; mask &= mask - 1, count++) {  // nearly always none
      if (count < capacity) ids[count] = (int32_t)(i + (size_t)__builtin_ctzll(mask));
    }
  }
  return count;
}
