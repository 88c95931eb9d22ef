// What the files of this target offer each other: the functions that more than one table uses and
// the tables themselves. Nothing here is for users of the target.
#ifndef MARTLET_TABLES_H
#define MARTLET_TABLES_H

#include "ckernels.h"

#pragma clang assume_nonnull begin

extern const martlet_kernels martlet_portable_kernels;

// portable_product.c
void portable_prepare(martlet_format format, const float *x, size_t columns, size_t tokens,
                      size_t block_begin, size_t block_end, void *prepared);
void portable_multiply(const martlet_product *product, size_t tile_begin, size_t tile_end);
// quantize.c
void portable_quantize_int4(const float *x, size_t rows, size_t columns, uint8_t *codes,
                            uint16_t *scales);
void portable_quantize_int8(const float *x, size_t rows, size_t columns, uint8_t *codes,
                            uint16_t *scales);
void portable_half_to_float(const uint16_t *x, size_t n, float *y);
void portable_float_to_half(const float *x, size_t n, uint16_t *y);
void portable_bfloat_to_float(const uint16_t *x, size_t n, float *y);
void portable_float_to_bfloat(const float *x, size_t n, uint16_t *y);
// portable_layers.c
void portable_rms_norm(const float *x, const float *weight, size_t n, float epsilon, float offset,
                       float *y);
void portable_layer_norm(const float *x, const float *weight, const float *bias, size_t n,
                         float epsilon, float *y);
void portable_softmax(float *x, size_t n);
void portable_silu_multiply(const float *gate, const float *up, size_t n, float *y);
void portable_silu(const float *x, size_t n, float *y);
void portable_gelu(const float *x, size_t n, float *y);
void portable_gelu_tanh(const float *x, size_t n, float *y);
void portable_add(const float *x, const float *y, size_t n, float *z);
void portable_multiply_values(const float *x, const float *y, size_t n, float *z);
void portable_scale(const float *x, float factor, size_t n, float *y);
void portable_add_scaled(const float *x, float factor, size_t n, float *y);
void portable_soft_cap(const float *x, float cap, size_t n, float *y);
void portable_rope(float *x, size_t heads, size_t d, size_t half, const float *cosine,
                   const float *sine);
float portable_dot(const float *x, const float *y, size_t n);
size_t portable_argmax(const float *x, size_t n);
float portable_log_sum_exp(const float *x, size_t n);
uint64_t portable_read_sum(const void *bytes, size_t byte_count);
// portable_sampling.c
double portable_exponentials(const float *x, size_t n, float divisor, float maximum,
                             float *_Nullable y);
size_t portable_select(const float *x, size_t n, float threshold, int32_t *ids, size_t capacity);
// scan.c; the levels of coarse codes, ascending
extern const int8_t martlet_scan_levels[16];
void portable_scan(const martlet_scan *scan);
// codes.c
void portable_select_codes(const uint8_t *codes, size_t count, const uint8_t *passing,
                           uint64_t *rows);
// portable_attention.c
void portable_attention(const martlet_attention *attention);
// portable_text_attention.c
void portable_text_attention(const martlet_text_attention *attention);

#if defined(__x86_64__)
// For CPUs that have what dispatch.c asks for.
extern const martlet_kernels martlet_avx2_kernels;
extern const martlet_kernels martlet_avx512_kernels;
extern const martlet_kernels martlet_avx512vnni_kernels;
extern const martlet_kernels martlet_avx512bf16_kernels;
#endif

#pragma clang assume_nonnull end
#endif
