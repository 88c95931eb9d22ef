// The numeric kernels of martlet behind one table of function pointers, chosen once for this CPU.
// Relies on nothing but the C library. The portable table is the oracle of every other one.
// Refuses nothing: sizes and pointers are the caller's promise (Swift checks them before).
//
// Layouts (R rows = outputs, C columns = inputs, T tokens):
// - A matrix is cut into tiles of 16 rows; the last one is filled up with zero rows. Lane r of
//   every vector belongs to row r of the tile, so no product needs a horizontal sum.
// - float32, float16, bfloat16: tile [C][16].
// - bfloat16 pairs: tile [C / 2][16][2], two columns side by side; an odd last one beside zeros.
// - int4, nf4, int8: tile [blocks], each block two groups (32 columns; nf4: 64) of all 16 rows:
//   [codes of group 0][codes of group 1][16 float16 scales of group 0][16 of group 1].
//   576 bytes int4, 1088 int8 and nf4: every 64-byte load is within one cache line. A row of an
//   odd number of groups ends in a group of zero scales.
// - int4 stepped: int4 whose scales are whole steps, -127...127, of a float32 of their row: tile
//   [16 rows' steps][blocks], each block four groups of 32 columns: [codes of groups 0...3][16 int8
//   of group 0]...[of group 3], 1088 bytes. A step has no more than 11 binary digits, and steps
//   times it are float16s exactly: products are those of int4 with these scales, bit for bit.
//   int8 chunk j (64 bytes): byte 4r+b is column 4j+b, stored as code + 128.
//   4-bit chunk j (64 bytes): byte 4r+b holds column 8j+b in its low nibble, 8j+4+b in its high
//   one; int4 stored as code + 8, nf4 as the index of its value.
#ifndef MARTLET_CKERNELS_H
#define MARTLET_CKERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan_kernels.h"

#pragma clang assume_nonnull begin

#define MARTLET_TILE_ROWS 16
#define MARTLET_GROUP 32
#define MARTLET_NF4_BLOCK 64
#define MARTLET_NF4_NESTED_BLOCK 256
#define MARTLET_KV_BLOCK 32

typedef enum {
  MARTLET_FLOAT32,
  MARTLET_FLOAT16,
  MARTLET_BFLOAT16,
  MARTLET_INT8,
  MARTLET_INT4,
  MARTLET_INT4_STEPPED,
  MARTLET_NF4,
  MARTLET_BFLOAT16_PAIRS,  // activations are rounded to bfloat16, too
} martlet_format;

/// Columns come in multiples of this (1 for float formats).
size_t martlet_format_group(martlet_format format);
/// Bytes of one packed tile of 16 rows; a matrix is ceil(rows / 16) of them.
size_t martlet_tile_bytes(martlet_format format, size_t columns);
/// Tokens that one pass over the weights serves; prepared activations come in blocks of so many.
size_t martlet_token_block(martlet_format format);
/// Tiles that a pass of `tokens` tokens takes together: what multiply() is given is best a multiple.
size_t martlet_unit_tiles(martlet_format format, size_t tokens);
/// Bytes of `tokens` rows of activations prepared for a product.
size_t martlet_prepared_bytes(martlet_format format, size_t columns, size_t tokens);

typedef enum {
  MARTLET_IDENTITY,
  MARTLET_SILU,
  MARTLET_GELU,       // by the error function
  MARTLET_GELU_TANH,  // by its approximation with tanh
  // f(gate x + gate_bias) * (weights x + bias); these come last
  MARTLET_GATED_SILU,
  MARTLET_GATED_GELU,
  MARTLET_GATED_GELU_TANH,
} martlet_activation;

/// output[t][row] = activation(sum over columns of weights[row][column] * x[t][column] + bias[row]),
/// or that added to what is in the output. A token's result is the same bit for bit whatever other
/// tokens are in the call.
typedef struct {
  martlet_format format;
  martlet_activation activation;
  bool adds;
  const void *weights;               // packed tiles, 64-byte aligned
  const void *_Nullable gate;        // of the same format and shape; for MARTLET_GATED_... only
  const float *_Nullable bias, *_Nullable gate_bias;  // [rows]
  size_t rows, columns;
  const void *prepared;              // what prepare() wrote, 64-byte aligned
  size_t tokens;
  float *_Nullable output;           // [tokens][output_stride], output_stride >= rows
  size_t output_stride;
  // Where the result goes instead of to the output: as prepare() would write it for a product of
  // bfloat16 pairs, 64-byte aligned. For float formats only, and not added to anything. What an
  // activation loses by being computed for so few digits is below 1e-4, or 2e-6 of a value far from
  // zero.
  void *_Nullable pairs;
} martlet_product;

/// Attention of `token_count` consecutive tokens of one sequence, for the query heads that share
/// one key/value head. Token t sees positions up to `first_length + t` (exclusive), or all
/// `first_length` ones when it is not causal; with a window only the last `window` of those; none
/// from `length` on, where the sequence ends.
/// A score is `scale` times the product of query and key, then with a soft cap
/// soft_cap * tanh(score / soft_cap), then with slopes (ALiBi, arXiv:2108.12409) plus slope times
/// the key's distance from the last position that the token sees, which is not above zero, then plus
/// its bias.
///
/// Keys and values lie in blocks of 32 positions, float32 or float16: keys [d][32] (so that 32
/// scores need no horizontal sum), values [32][d]. Position p is in block block_table[p / 32].
/// A row's result depends on its own positions alone: blocks are folded in order, whatever else
/// is in the call.
typedef struct {
  bool half_precision;         // float16 keys and values, else float32
  bool causal;
  size_t head_dimension;       // d
  size_t token_count, head_count;
  size_t first_length;
  size_t window;               // 0: none
  size_t length;               // 0: all that a token sees is there
  float scale;
  float soft_cap;              // 0: none
  const float *_Nullable slopes;  // [head_count]
  const float *query;          // query + t * query_stride + head * d
  size_t query_stride;         // in floats
  float *output;               // output + t * output_stride + head * d
  size_t output_stride;
  const void *keys, *values;   // block 0 of this layer and key/value head
  size_t block_stride;         // bytes from one block to the next, for keys and for values
  const int32_t *block_table;
  // Added to scores: bias[p - t + head * bias_stride] to that of position p.
  const float *_Nullable bias;
  size_t bias_stride;
} martlet_attention;

/// Attention of one head within one text whose tokens all see each other. Queries, keys, values and
/// output are activations prepared for a product of bfloat16 pairs, [tokens][heads * d], of which the
/// text is the rows [first, first + length). A score is `scale` times the product of query and key;
/// weights are rounded to bfloat16, too. A row's result depends on its text alone.
typedef struct {
  size_t head_dimension;  // d, a multiple of 32
  size_t head_count, head;
  size_t tokens;
  size_t first, length;
  size_t query_begin, query_end;  // rows of the text to be computed
  float scale;
  const void *query, *key, *value;
  void *output;
  void *scratch;  // of martlet_text_attention_bytes(d, length), 64-byte aligned
} martlet_text_attention;

size_t martlet_text_attention_bytes(size_t head_dimension, size_t length);

typedef struct __attribute__((swift_attr("@Sendable"))) {
  const char *name;  // "portable", "avx2", "avx512", "avx512vnni", "avx512bf16"
  bool multiplies_pairs;  // products of bfloat16 pairs are quicker than those of float32

  // Products. prepare: token blocks [begin, end) of x [tokens][columns] into their place in
  // `prepared`. multiply: the rows of tiles [begin, end), for all tokens.
  void (*prepare)(martlet_format format, const float *x, size_t columns, size_t tokens,
                  size_t block_begin, size_t block_end, void *prepared);
  void (*multiply)(const martlet_product *product, size_t tile_begin, size_t tile_end);

  // Quantisers of x [rows][columns], where columns are a multiple of the group.
  // int4: codes 0...15 (value code - 8); int8: codes as int8; scales float16, one per 32, those of int4
  // as its stepped format can hold them.
  void (*quantize_int4)(const float *x, size_t rows, size_t columns, uint8_t *codes,
                        uint16_t *scales);
  void (*quantize_int8)(const float *x, size_t rows, size_t columns, uint8_t *codes,
                        uint16_t *scales);

  // Conversions.
  void (*half_to_float)(const uint16_t *x, size_t n, float *y);
  void (*float_to_half)(const float *x, size_t n, uint16_t *y);
  void (*bfloat_to_float)(const uint16_t *x, size_t n, float *y);
  void (*float_to_bfloat)(const float *x, size_t n, uint16_t *y);

  // Layers; y may be x. rms_norm: y = x / rms(x) * (weight + offset).
  void (*rms_norm)(const float *x, const float *weight, size_t n, float epsilon, float offset,
                   float *y);
  void (*layer_norm)(const float *x, const float *weight, const float *bias, size_t n,
                     float epsilon, float *y);
  void (*softmax)(float *x, size_t n);
  void (*silu_multiply)(const float *gate, const float *up, size_t n, float *y);
  void (*silu)(const float *x, size_t n, float *y);
  void (*gelu)(const float *x, size_t n, float *y);
  void (*gelu_tanh)(const float *x, size_t n, float *y);
  void (*add)(const float *x, const float *y, size_t n, float *z);
  void (*multiply_values)(const float *x, const float *y, size_t n, float *z);
  // scale: y = factor * x; add_scaled: y = y + factor * x; soft_cap: y = cap * tanh(x / cap).
  void (*scale)(const float *x, float factor, size_t n, float *y);
  void (*add_scaled)(const float *x, float factor, size_t n, float *y);
  void (*soft_cap)(const float *x, float cap, size_t n, float *y);
  // Rotates the first 2 * half values of each of `heads` heads (d apart): value i with i + half,
  // by the angle whose cosine and sine are cosine[i], sine[i].
  void (*rope)(float *x, size_t heads, size_t d, size_t half, const float *cosine,
               const float *sine);

  // Attention.
  void (*attention)(const martlet_attention *attention);
  void (*text_attention)(const martlet_text_attention *attention);

  // Reductions. dot's order of additions is fixed (64 lanes, then a tree) and the same in every
  // table, bit for bit. argmax: the first of equals, NaN never wins.
  float (*dot)(const float *x, const float *y, size_t n);
  size_t (*argmax)(const float *x, size_t n);
  float (*log_sum_exp)(const float *x, size_t n);

  // Sampling. exponentials: the sum of exp(x / divisor - maximum) in double precision, 16 lanes and
  // then a tree; the exponentials themselves go to y unless that is NULL. select: the indices,
  // ascending, of all values that are not below the threshold (NaN isn't); the result is how many
  // there are, of which no more than `capacity` are written.
  double (*exponentials)(const float *x, size_t n, float divisor, float maximum,
                         float *_Nullable y);
  size_t (*select)(const float *x, size_t n, float threshold, int32_t *ids, size_t capacity);

  // The first pass of a vector search, see scan_kernels.h.
  void (*scan)(const martlet_scan *scan);

  // Sets of rows: bit i of `rows` is whether passing[codes[i]] isn't 0, and 0 from `count` on.
  void (*select_codes)(const uint8_t *codes, size_t count, const uint8_t *passing, uint64_t *rows);

  // The sum of all 64-bit words: what read bandwidth is measured with.
  uint64_t (*read_sum)(const void *bytes, size_t byte_count);
} martlet_kernels;

/// The table for this CPU; MARTLET_ISA=portable|avx2|avx512|avx512vnni|avx512bf16 forces one
/// that the CPU can run (any other value is ignored).
const martlet_kernels *martlet_kernels_get(void);
/// A table by name, NULL when this CPU can't run it.
const martlet_kernels *_Nullable martlet_kernels_named(const char *name);

/// Does `rounds` of dot products of bytes on registers alone. Returns the number of multiplications
/// and additions that were done, 0 where the processor lacks AVX-512 VNNI.
double martlet_integer_work(size_t rounds);

// Tiles ------------------------------------------------------------------------------------------

/// Packs up to 16 float rows [row_count][columns] into one tile of a float format.
void martlet_pack_float_tile(martlet_format format, const float *rows, size_t row_count,
                             size_t columns, void *tile);
/// Packs codes [row_count][columns], one to a byte, and scales [row_count][groups] into one tile. False
/// where a format's scales are steps and these are none.
bool martlet_pack_tile(martlet_format format, const uint8_t *codes, const uint16_t *scales,
                       size_t row_count, size_t columns, void *tile);
/// The row's codes and scales (groups of the format) as they went into its tile.
void martlet_unpack_row(martlet_format format, const void *tile, size_t row_in_tile,
                        size_t columns, uint8_t *codes, uint16_t *scales);
/// A row of int4 stepped: its scales in steps [groups], and the step.
float martlet_unpack_steps(const void *tile, size_t row_in_tile, size_t columns, int8_t *steps);
/// Replaces the scales of one tile's rows, from scales [row_count][groups]; false as above.
bool martlet_set_tile_scales(martlet_format format, const uint16_t *scales, size_t row_count,
                             size_t columns, void *tile);
/// Row of a float, int8 or int4 matrix as float32.
void martlet_dequantize_row(martlet_format format, const void *tile, size_t row_in_tile,
                            size_t columns, float *y);

// nf4, as bitsandbytes defines it ----------------------------------------------------------------

/// The 16 values and the 256 values of the 8-bit dynamic map, ascending.
extern const float martlet_nf4_values[16];
extern const float martlet_dynamic_map[256];

/// Codes (one to a byte) and absmax of the blocks of 64 of a run of n values; a last, short block
/// follows bitsandbytes' own rule for it.
void martlet_nf4_quantize(const float *x, size_t n, uint8_t *codes, float *absmax);
/// y[i] = value(codes[i]) * absmax[i / 64].
void martlet_nf4_dequantize(const uint8_t *codes, const float *absmax, size_t n, float *y);
/// Double quantisation of n absmax values: their mean (in the order that PyTorch adds on one
/// thread), codes into the dynamic map, absmax of each nested block of 256.
void martlet_nf4_compress(const float *absmax, size_t n, uint8_t *codes, float *nested_absmax,
                          float *offset);
/// absmax[i] = map[codes[i]] * nested_absmax[(first + i) / 256] + offset, for n values from `first`
/// on; codes point at the first of them.
void martlet_nf4_expand(const uint8_t *codes, const float *map, const float *nested_absmax,
                        float offset, size_t first, size_t n, float *absmax);

// KV blocks --------------------------------------------------------------------------------------

/// Stores one position's key and value [d] into slot 0...31 of a block.
void martlet_kv_store(bool half_precision, const float *key, const float *value, size_t d,
                      size_t slot, void *key_block, void *value_block);

// Scalar conversions -----------------------------------------------------------------------------

uint16_t martlet_half_from_float(float x);
float martlet_float_from_half(uint16_t x);

#pragma clang assume_nonnull end
#endif
