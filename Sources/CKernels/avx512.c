// Kernels for CPUs with AVX-512 F, BW, DQ and VL but without VNNI: Intel's Skylake servers.
#if defined(__x86_64__)
#define SIMD_TARGET "avx512f,avx512bw,avx512dq,avx512vl,fma,f16c"
#define SIMD_AVX512 1
#define SIMD_VNNI 0
#define SIMD_BF16 0
#define SIMD_NAME "avx512"
#define SIMD_TABLE martlet_avx512_kernels
#include "simd_avx512.h"
#include "simd_table.h"
#endif
