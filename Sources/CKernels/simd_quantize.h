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

SIMD_INLINE floats best_int4_scales(const floats x[GROUP], floats peak) {
  floats best_gain = zeros(), best = divide(peak, broadcast(-8.0f));
  for (int step = 0; step <= INT4_SEARCH_STEPS; step++) {
    float target = INT4_SEARCH_FIRST - INT4_SEARCH_STEP * (float)step;
    floats inverse = divide(broadcast(target), peak);
    floats xq = zeros(), qq = xq;
    for (int i = 0; i < GROUP; i++) {
      floats q = code_lanes(x[i], inverse, -8, 7);
      xq = add(xq, multiply(x[i], q));
      qq = add(qq, multiply(q, q));
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

SIMD static void simd_quantize_int4(const float *x, size_t n, uint8_t *codes, uint16_t *scales) {
  size_t groups = n / GROUP, g = 0;
  for (; g + 16 <= groups; g += 16) {
    floats lanes[GROUP];
    for (size_t i = 0; i < GROUP; i++) lanes[i] = gather(x + g * GROUP + i, GROUP);
    floats peak = signed_peak_lanes(lanes), magnitude = absolute(peak);
    floats best = best_int4_scales(lanes, peak);
    best = if_greater(magnitude, broadcast(QUANTIZE_LEAST), best, zeros());
    best = if_greater(broadcast(INFINITY), magnitude, best, zeros());
    store_half_first(scales + g, 16, best);
    for (size_t i = g; i < g + 16; i++) {
      write_codes(x + i * GROUP, scales[i], -8, 7, 8, codes + i * GROUP);
    }
  }
  portable_quantize_int4(x + g * GROUP, (groups - g) * GROUP, codes + g * GROUP, scales + g);
}

SIMD static void simd_quantize_int8(const float *x, size_t n, uint8_t *codes, uint16_t *scales) {
  for (size_t g = 0; g < n / GROUP; g++, x += GROUP, codes += GROUP) {
    floats m = maximum(absolute(load(x)), zeros());
    m = maximum(absolute(load(x + 16)), m);
    float peak = largest(m);
    scales[g] = float_to_half(peak > QUANTIZE_LEAST && peak < INFINITY ? peak / 127.0f : 0);
    write_codes(x, scales[g], -127, 127, 0, codes);
  }
}
