// What the AVX-512 files offer their table. Include only under __x86_64__.
#ifndef MARTLET_AVX512_H
#define MARTLET_AVX512_H

#include "layout.h"

#pragma clang assume_nonnull begin

// avx512_prepare.c
void avx512_prepare(martlet_format format, const float *x, size_t columns, size_t tokens,
                    size_t block_begin, size_t block_end, void *prepared);
// avx512_float.c, avx512_integer.c, avx512_nf4.c: one kind of product each
void avx512_multiply_float(const martlet_product *product, size_t tile_begin, size_t tile_end);
void avx512_multiply_integer(const martlet_product *product, size_t tile_begin, size_t tile_end);
void avx512_multiply_nf4(const martlet_product *product, size_t tile_begin, size_t tile_end);
// avx512_quantize.c
void avx512_quantize_int4(const float *x, size_t n, uint8_t *codes, uint16_t *scales);
void avx512_quantize_int8(const float *x, size_t n, uint8_t *codes, uint16_t *scales);
void avx512_half_to_float(const uint16_t *x, size_t n, float *y);
void avx512_float_to_half(const float *x, size_t n, uint16_t *y);
void avx512_bfloat_to_float(const uint16_t *x, size_t n, float *y);
// avx512_layers.c
void avx512_rms_norm(const float *x, const float *weight, size_t n, float epsilon, float offset,
                     float *y);
void avx512_layer_norm(const float *x, const float *weight, const float *bias, size_t n,
                       float epsilon, float *y);
void avx512_softmax(float *x, size_t n);
void avx512_silu_multiply(const float *gate, const float *up, size_t n, float *y);
void avx512_gelu(const float *x, size_t n, float *y);
void avx512_add(const float *x, const float *y, size_t n, float *z);
void avx512_rope(float *x, size_t heads, size_t d, size_t half, const float *cosine,
                 const float *sine);
float avx512_dot(const float *x, const float *y, size_t n);
void avx512_dot_rows(const float *query, const float *rows, size_t n, size_t count, float *scores);
size_t avx512_argmax(const float *x, size_t n);
float avx512_log_sum_exp(const float *x, size_t n);
uint64_t avx512_read_sum(const void *bytes, size_t byte_count);
// avx512_sampling.c
double avx512_exponentials(const float *x, size_t n, float divisor, float maximum,
                           float *_Nullable y);
size_t avx512_select(const float *x, size_t n, float threshold, int32_t *ids, size_t capacity);
// avx512_scan.c
void avx512_scan(const martlet_scan *scan);
// avx512_attention.c
void avx512_attention(const martlet_attention *attention);

#pragma clang assume_nonnull end
#endif
