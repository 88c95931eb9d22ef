// The integer products that a core could do if nothing but arithmetic held it up: byte dot products
// on registers alone. What prefill is measured against. Nothing to measure without AVX-512 VNNI.
#include "ckernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

// Enough chains that none waits for its own last product.
#define CHAINS 16

__attribute__((target("avx512f,avx512vnni"))) static void multiply_registers(size_t rounds) {
  __m512i sums[CHAINS];
  __m512i left = _mm512_set1_epi8(1), right = _mm512_set1_epi8(2);
  for (int i = 0; i < CHAINS; i++) sums[i] = _mm512_setzero_si512();
  for (size_t round = 0; round < rounds; round++) {
#pragma clang loop unroll(full)
    for (int i = 0; i < CHAINS; i++) {
      sums[i] = _mm512_dpbusd_epi32(sums[i], left, right);
      __asm__ volatile("" : "+v"(sums[i]));  // the compiler must not fold the rounds
    }
  }
}

double martlet_integer_work(size_t rounds) {
  if (!__builtin_cpu_supports("avx512vnni")) return 0;
  multiply_registers(rounds);
  return (double)rounds * CHAINS * 64 * 2;  // a multiplication and an addition per byte
}
#else
double martlet_integer_work(size_t rounds) { return (void)rounds, 0; }
#endif
