// The kernel table for CPUs with AVX-512 F, BW, DQ, VL and VNNI (Intel since Cascade Lake, AMD
// since Zen 4). Relies on the operating system saving the wide registers, which the check includes.
#if defined(__x86_64__)
#include "avx512.h"
#include "tables.h"

bool martlet_avx512vnni_supported(void) {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("f16c");
}

static void multiply(const martlet_product *product, size_t tile_begin, size_t tile_end) {
  switch (product->format) {
    case MARTLET_FLOAT32:
    case MARTLET_FLOAT16:
    case MARTLET_BFLOAT16: avx512_multiply_float(product, tile_begin, tile_end); break;
    case MARTLET_INT8:
    case MARTLET_INT4: avx512_multiply_integer(product, tile_begin, tile_end); break;
    case MARTLET_NF4: avx512_multiply_nf4(product, tile_begin, tile_end); break;
  }
}

const martlet_kernels martlet_avx512vnni_kernels = {
    .name = "avx512vnni",
    .prepare = avx512_prepare,
    .multiply = multiply,
    .quantize_int4 = avx512_quantize_int4,
    .quantize_int8 = avx512_quantize_int8,
    .half_to_float = avx512_half_to_float,
    .float_to_half = avx512_float_to_half,
    .bfloat_to_float = avx512_bfloat_to_float,
    .float_to_bfloat = portable_float_to_bfloat,
    .rms_norm = avx512_rms_norm,
    .layer_norm = avx512_layer_norm,
    .softmax = avx512_softmax,
    .silu_multiply = avx512_silu_multiply,
    .gelu = avx512_gelu,
    .add = avx512_add,
    .rope = avx512_rope,
    .attention = avx512_attention,
    .dot = avx512_dot,
    .dot_rows = avx512_dot_rows,
    .argmax = avx512_argmax,
    .log_sum_exp = avx512_log_sum_exp,
    .exponentials = avx512_exponentials,
    .select = avx512_select,
    .scan = avx512_scan,
    .read_sum = avx512_read_sum,
};
#endif
