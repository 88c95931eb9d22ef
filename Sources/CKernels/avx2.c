// Kernels for CPUs with AVX2, FMA and F16C: Intel since Haswell, AMD since Zen.
#if defined(__x86_64__)
#define SIMD_TARGET "avx2,fma,f16c"
#define SIMD_AVX512 0
#define SIMD_VNNI 0
#define SIMD_BF16 0
#define SIMD_NAME "avx2"
#define SIMD_TABLE martlet_avx2_kernels
#include "simd_avx2.h"
#include "simd_table.h"
#endif
