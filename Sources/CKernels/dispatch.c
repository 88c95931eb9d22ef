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
    .gelu = portable_gelu,
    .add = portable_add,
    .rope = portable_rope,
    .attention = portable_attention,
    .dot = portable_dot,
    .dot_rows = portable_dot_rows,
    .argmax = portable_argmax,
    .log_sum_exp = portable_log_sum_exp,
    .exponentials = portable_exponentials,
    .select = portable_select,
    .scan = portable_scan,
    .read_sum = portable_read_sum,
};

const martlet_kernels *martlet_kernels_named(const char *name) {
  if (strcmp(name, "portable") == 0) return &martlet_portable_kernels;
#if defined(__x86_64__)
  if (strcmp(name, "avx512vnni") == 0 && martlet_avx512vnni_supported()) {
    return &martlet_avx512vnni_kernels;
  }
#endif
  return NULL;
}

static const martlet_kernels *choose(void) {
  const char *forced = getenv("MARTLET_ISA");
  const martlet_kernels *table = forced ? martlet_kernels_named(forced) : NULL;
  if (!table) table = martlet_kernels_named("avx512vnni");
  return table ? table : &martlet_portable_kernels;
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
