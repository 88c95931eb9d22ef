// Kernels for CPUs with AVX-512 F, BW, DQ, VL, VNNI and BF16: Intel since Sapphire Rapids, AMD since
// Zen 4.
#if defined(__x86_64__)
#define SIMD_TARGET "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16,fma,f16c"
#define SIMD_AVX512 1
#define SIMD_VNNI 1
#define SIMD_BF16 1
#define SIMD_NAME "avx512bf16"
#define SIMD_TABLE martlet_avx512bf16_kernels
#include "simd_avx512.h"
#include "simd_table.h"
#endif
