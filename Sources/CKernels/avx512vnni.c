// Kernels for CPUs with AVX-512 F, BW, DQ, VL and VNNI but without BF16: Intel's Ice Lake servers.
#if defined(__x86_64__)
#define SIMD_TARGET "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma,f16c"
#define SIMD_AVX512 1
#define SIMD_VNNI 1
#define SIMD_BF16 0
#define SIMD_NAME "avx512vnni"
#define SIMD_TABLE martlet_avx512vnni_kernels
#include "simd_avx512.h"
#include "simd_table.h"
#endif
