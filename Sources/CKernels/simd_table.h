// One kernel table: all simd_*.h files compiled for one instruction set. Included once by each
// file that defines SIMD_TARGET (the compiler's name of the set), SIMD_TABLE, SIMD_NAME, SIMD_VNNI,
// SIMD_BF16, and has included simd_avx2.h or simd_avx512.h, whichever lanes it has.
#include "product.h"
#include "tables.h"

#include "simd_math.h"
#include "simd_layers.h"
#include "simd_sampling.h"
#include "simd_attention.h"
#include "simd_quantize.h"
#include "simd_prepare.h"
#include "simd_product.h"
#include "simd_finish.h"
#include "simd_float.h"
#if SIMD_AVX512
#include "simd_avx512_integer.h"
#include "simd_avx512_nf4.h"
#include "simd_avx512_scan.h"
#else
#include "simd_avx2_products.h"
#include "simd_avx2_scan.h"
#endif
#include "simd_scan.h"
#include "simd_codes.h"

#if SIMD_VNNI
#include "simd_avx512_strips.h"
#endif

#if SIMD_BF16
#include "simd_avx512_pairs.h"
#include "simd_avx512_pairs_finish.h"
#include "simd_avx512_text_attention.h"
#else
#define fold_pairs portable_fold
#define prepare_any simd_prepare
#define finish_pairs portable_finish
#define simd_text_attention portable_text_attention
#endif

static void simd_finish(const martlet_product *p, const product_part *part, size_t row,
                        float *output) {
  (p->pairs ? finish_pairs : finish_rows)(p, part, row, output);
}

static void simd_multiply(const martlet_product *p, size_t tile_begin, size_t tile_end) {
  fold_function *const folds[] = {
      [MARTLET_FLOAT32] = fold_float32,   [MARTLET_FLOAT16] = fold_float16,
      [MARTLET_BFLOAT16] = fold_bfloat16, [MARTLET_INT8] = fold_int8,
      [MARTLET_INT4] = fold_int4,         [MARTLET_INT4_STEPPED] = fold_stepped,
      [MARTLET_NF4] = fold_nf4_part,
      [MARTLET_BFLOAT16_PAIRS] = fold_pairs,
  };
#if SIMD_VNNI
  if (martlet_unpacks_once(p->format, p->tokens)) {
    multiply_strips(p, tile_begin, tile_end);
    return;
  }
#endif
  // One token alone: floats hide their latency by four tiles; codes come in one stream, which is
  // what fetching ahead is best at.
  size_t most = is_float_format(p->format) ? FLOAT_TILES : SIDE_TILES;
  if (p->tokens == 1) most = is_float_format(p->format) ? 4 : 1;
  if (p->format == MARTLET_BFLOAT16_PAIRS) most = FLOAT_TILES;
  martlet_multiply_in_parts(p, tile_begin, tile_end, most, folds[p->format], simd_finish);
}

const martlet_kernels SIMD_TABLE = {
    .name = SIMD_NAME,
    .multiplies_pairs = SIMD_BF16,
    .prepare = prepare_any,
    .multiply = simd_multiply,
    .quantize_int4 = simd_quantize_int4,
    .quantize_int8 = simd_quantize_int8,
    .half_to_float = simd_half_to_float,
    .float_to_half = simd_float_to_half,
    .bfloat_to_float = simd_bfloat_to_float,
    .float_to_bfloat = portable_float_to_bfloat,
    .rms_norm = simd_rms_norm,
    .layer_norm = simd_layer_norm,
    .softmax = simd_softmax,
    .silu_multiply = simd_silu_multiply,
    .silu = simd_silu,
    .gelu = simd_gelu,
    .gelu_tanh = simd_gelu_tanh,
    .add = simd_add,
    .multiply_values = simd_multiply_values,
    .scale = simd_scale,
    .add_scaled = simd_add_scaled,
    .soft_cap = simd_soft_cap,
    .rope = simd_rope,
    .attention = simd_attention,
    .text_attention = simd_text_attention,
    .dot = simd_dot,
    .argmax = simd_argmax,
    .log_sum_exp = simd_log_sum_exp,
    .exponentials = simd_exponentials,
    .select = simd_select,
    .scan = simd_scan,
    .select_codes = simd_select_codes,
    .read_sum = simd_read_sum,
};
