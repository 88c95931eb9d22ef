// Chooses the kernel table for this CPU, once. Relies on the compiler's CPU detection. An unknown
// or impossible name in MARTLET_ISA is ignored: the server must start on any machine.
#include "tables.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

const martlet_kernels martlet_portable_kernels = {
    .name = "portable",
    .prepare = portable_prepare,
    .multiply = portable_multiply,
    .quantize_int4 = portable_quantize_int4,
    .quantize_int8 = portable_quantize_int8,
    .half_to_float = portable_half_to_float,
    .float_to_half = portable_float_to_half,
    .bfloat_to_float = portable_bfloat_to_float,
    .float_to_bfloat = portable_float_to_bfloat,
    .rms_norm = portable_rms_norm,
    .layer_norm = portable_layer_norm,
    .softmax = portable_softmax,
    .silu_multiply = portable_silu_multiply,
    .silu = portable_silu,
    .gelu = portable_gelu,
    .gelu_tanh = portable_gelu_tanh,
    .add = portable_add,
    .multiply_values = portable_multiply_values,
    .scale = portable_scale,
    .add_scaled = portable_add_scaled,
    .soft_cap = portable_soft_cap,
    .rope = portable_rope,
    .attention = portable_attention,
    .text_attention = portable_text_attention,
    .dot = portable_dot,
    .argmax = portable_argmax,
    .log_sum_exp = portable_log_sum_exp,
    .exponentials = portable_exponentials,
    .select = portable_select,
    .scan = portable_scan,
    .select_codes = portable_select_codes,
    .read_sum = portable_read_sum,
};

#if defined(__x86_64__)
// Each check includes that the operating system saves the wide registers.
static bool has_avx2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("f16c");
}

static bool has_avx512(void) {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

const martlet_kernels *martlet_kernels_named(const char *name) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (strcmp(name, "avx2") == 0 && has_avx2()) return &martlet_avx2_kernels;
  if (strcmp(name, "avx512") == 0 && has_avx512()) return &martlet_avx512_kernels;
  if (strcmp(name, "avx512vnni") == 0 && has_avx512() && __builtin_cpu_supports("avx512vnni")) {
    return &martlet_avx512vnni_kernels;
  }
  if (strcmp(name, "avx512bf16") == 0 && has_avx512() && __builtin_cpu_supports("avx512vnni") &&
      __builtin_cpu_supports("avx512bf16")) {
    return &martlet_avx512bf16_kernels;
  }
#endif
  return strcmp(name, "portable") == 0 ? &martlet_portable_kernels : NULL;
}

static const martlet_kernels *choose(void) {
  const char *forced = getenv("MARTLET_ISA");
  const martlet_kernels *table = forced ? martlet_kernels_named(forced) : NULL;
  const char *best_first[] = {"avx512bf16", "avx512vnni", "avx512", "avx2", "portable"};
  for (size_t i = 0; !table; i++) table = martlet_kernels_named(best_first[i]);
  return table;
}

const martlet_kernels *martlet_kernels_get(void) {
  static _Atomic(const martlet_kernels *) chosen;
  const martlet_kernels *table = atomic_load_explicit(&chosen, memory_order_acquire);
  if (!table) {  // two threads may both choose: they choose the same
    table = choose();
    atomic_store_explicit(&chosen, table, memory_order_release);
  }
  return table;
}
