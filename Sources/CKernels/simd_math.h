// The exponential, the error function and the fixed tree of additions in sixteen lanes: the
// operations of scalar_math.h in the same order, so that results are equal bit for bit.
#ifndef MARTLET_SIMD_MATH_H
#define MARTLET_SIMD_MATH_H

SIMD_INLINE float tree_sum(floats v) {
  float lanes[16];
  store(lanes, v);
  return sum_lanes(lanes);
}

SIMD_INLINE floats round_lanes(floats x) {
  floats magic = broadcast(EXP_ROUND);
  return subtract(add(x, magic), magic);
}

SIMD_INLINE floats step(floats p, floats r, float c) {
  return add(multiply(p, r), broadcast(c));
}

SIMD_INLINE floats exp_lanes(floats x) {
  floats n = round_lanes(multiply(x, broadcast(EXP_LOG2E)));
  floats r = subtract(x, multiply(n, broadcast(EXP_LN2_HIGH)));
  r = subtract(r, multiply(n, broadcast(EXP_LN2_LOW)));
  floats p = broadcast(EXP_C7);
  p = step(p, r, EXP_C6);
  p = step(p, r, EXP_C5);
  p = step(p, r, EXP_C4);
  p = step(p, r, EXP_C3);
  p = step(p, r, EXP_C2);
  p = add(multiply(p, multiply(r, r)), r);
  p = add(p, broadcast(1.0f));
  floats y = multiply(multiply(p, with_exponent(n, 126)), broadcast(2.0f));
  y = if_greater(broadcast(EXP_LOWEST), x, zeros(), y);
  y = if_greater(x, broadcast(EXP_HIGHEST), broadcast(INFINITY), y);
  return if_nan(x, x, y);
}

// exp of what is not above zero, within 2 ulp: the same polynomial, fused. Zero below -87, without coming
// near: a result that is not a normal number takes Intel's processors more than a hundred cycles.
SIMD_INLINE floats decay_lanes(floats exact) {
  floats lowest = broadcast(-87.0f), x = maximum(lowest, exact);  // NaN stays
  floats n = round_lanes(multiply(x, broadcast(EXP_LOG2E)));
  floats r = fused_minus(n, broadcast(EXP_LN2_HIGH), x);
  r = fused_minus(n, broadcast(EXP_LN2_LOW), r);
  floats p = fused(broadcast(EXP_C7), r, broadcast(EXP_C6));
  p = fused(p, r, broadcast(EXP_C5));
  p = fused(p, r, broadcast(EXP_C4));
  p = fused(p, r, broadcast(EXP_C3));
  p = fused(p, r, broadcast(EXP_C2));
  p = fused(p, multiply(r, r), add(r, broadcast(1.0f)));
  return if_greater(lowest, exact, zeros(), scale_by_power(p, n));
}

SIMD_INLINE floats erf_lanes(floats x) {
  floats a = absolute(x), one = broadcast(1.0f);
  floats t = divide(one, add(one, multiply(broadcast(ERF_P), a)));
  floats p = broadcast(ERF_A5);
  p = step(p, t, ERF_A4);
  p = step(p, t, ERF_A3);
  p = step(p, t, ERF_A2);
  p = step(p, t, ERF_A1);
  floats e = exp_lanes(subtract(zeros(), multiply(a, a)));
  return or_sign(subtract(one, multiply(multiply(p, t), e)), x);
}

SIMD_INLINE floats soft_cap_lanes(floats x, floats cap) {
  floats e = exp_lanes(multiply(divide(x, cap), broadcast(2.0f))), one = broadcast(1.0f);
  return multiply(cap, subtract(one, divide(broadcast(2.0f), add(e, one))));
}

#endif
