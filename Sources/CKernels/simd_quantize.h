// Quantisers and conversions, equal to the oracle bit for bit. The int4 search runs 16 groups at a
// time, one to a lane, so that its sums are added in the oracle's order. Compiled once per
// instruction set (simd_table.h).

SIMD static void simd_half_to_float(const uint16_t *x, size_t n, float *y) {
  for (size_t i = 0; i < n; i += 16) store_first(y + i, n - i, load_half_first(x + i, n - i));
}

SIMD static void simd_float_to_half(const float *x, size_t n, uint16_t *y) {
  for (size_t i = 0; i < n; i += 16) store_half_first(y + i, n - i, load_first(x + i, n - i));
}

SIMD static void simd_bfloat_to_float(const uint16_t *x, size_t n, float *y) {
  for (size_t i = 0; i < n; i += 16) store_first(y + i, n - i, load_bfloat_first(x + i, n - i));
}

// x * inverse to the nearest integer within [low, high]; NaN becomes low.
SIMD_INLINE floats code_lanes(floats x, floats inverse, float low, float high) {
  floats v = maximum(multiply(x, inverse), broadcast(low));
  return round_lanes(minimum(v, broadcast(high)));
}

SIMD_INLINE floats signed_peak_lanes(const floats x[GROUP]) {
  floats peak = zeros();
  for (int i = 0; i < GROUP; i++) {
    peak = if_greater(absolute(x[i]), absolute(peak), x[i], peak);
  }
  return peak;
}

SIMD_INLINE float mean_square_of(const float *x, size_t n) {
  floats sum = zeros();
  for (size_t i = 0; i < n; i += 16) sum = add(sum, multiply(load(x + i), load(x + i)));
  return tree_sum(sum) / (float)n;
}

SIMD_INLINE floats best_int4_scales(const floats x[GROUP], floats peak, floats mean_squares) {
  floats weights[GROUP];
  for (int i = 0; i < GROUP; i++) weights[i] = add(multiply(x[i], x[i]), mean_squares);
  floats best_gain = zeros(), best = divide(peak, broadcast(-8.0f));
  for (int step = 0; step <= INT4_SEARCH_STEPS; step++) {
    float target = INT4_SEARCH_FIRST + INT4_SEARCH_STEP * (float)step;
    floats inverse = divide(broadcast(target), peak);
    floats xq = zeros(), qq = xq;
    for (int i = 0; i < GROUP; i++) {
      floats q = code_lanes(x[i], inverse, -8, 7);
      floats weighed = multiply(q, weights[i]);
      xq = add(xq, multiply(x[i], weighed));
      qq = add(qq, multiply(q, weighed));
    }
    floats scale = divide(xq, qq), gain = multiply(xq, scale);
    best = if_greater(gain, best_gain, scale, best);
    best_gain = if_greater(gain, best_gain, gain, best_gain);
  }
  return best;
}

// A group's codes for a stored scale.
SIMD_INLINE void write_codes(const float *x, uint16_t scale, float low, float high, int offset,
                               uint8_t *codes) {
  float stored = half_to_float(scale);
  floats inverse = broadcast(stored != 0 ? 1.0f / stored : 0);
  for (int i = 0; i < GROUP; i += 16) {
    ints q = to_ints(code_lanes(load(x + i), inverse, low, high));
    store_bytes(codes + i, add_ints(q, broadcast_int(offset)));
  }
}

// The scales of sixteen groups, one after the other.
SIMD_INLINE void search_int4_scales(const float *x, floats mean_squares, uint16_t *scales) {
  floats lanes[GROUP];
  for (size_t i = 0; i < GROUP; i++) lanes[i] = gather(x + i, GROUP);
  floats peak = signed_peak_lanes(lanes), magnitude = absolute(peak);
  floats best = best_int4_scales(lanes, peak, mean_squares);
  best = if_greater(magnitude, broadcast(QUANTIZE_LEAST), best, zeros());
  best = if_greater(broadcast(INFINITY), magnitude, best, zeros());
  best = minimum(maximum(best, broadcast(-INT4_SCALE_MOST)), broadcast(INT4_SCALE_MOST));
  store_half_first(scales, 16, best);
}

SIMD static void simd_quantize_int4(const float *x, size_t rows, size_t columns, uint8_t *codes,
                                    uint16_t *scales) {
  size_t per_row = columns / GROUP, groups = rows * per_row;
  if (groups < 16) {
    portable_quantize_int4(x, rows, columns, codes, scales);
    return;
  }
  size_t known_row = rows;
  float mean_square = 0;
  for (size_t g = 0; g < groups; g += 16) {
    size_t first = smaller(g, groups - 16);  // the last sixteen may overlap those before
    float mean_squares[16];                  // of each group's row
    for (size_t i = 0; i < 16; i++) {
      size_t row = (first + i) / per_row;
      if (row != known_row) mean_square = mean_square_of(x + row * columns, columns);
      known_row = row;
      mean_squares[i] = mean_square;
    }
    search_int4_scales(x + first * GROUP, load(mean_squares), scales + first);
  }
  for (size_t row = 0; row < rows; row++) martlet_step_scales(scales + row * per_row, per_row);
  for (size_t g = 0; g < groups; g++) {
    write_codes(x + g * GROUP, scales[g], -8, 7, 8, codes + g * GROUP);
  }
}

SIMD static void simd_quantize_int8(const float *x, size_t rows, size_t columns, uint8_t *codes,
                                    uint16_t *scales) {
  for (size_t g = 0; g < rows * columns / GROUP; g++, x += GROUP, codes += GROUP) {
    floats m = maximum(absolute(load(x)), zeros());
    m = maximum(absolute(load(x + 16)), m);
    float peak = largest(m);
    scales[g] = float_to_half(peak > QUANTIZE_LEAST && peak < INFINITY ? peak / 127.0f : 0);
    write_codes(x, scales[g], -127, 127, 0, codes);
  }
}
