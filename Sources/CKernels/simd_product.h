// What all products share: how a part's sums are written and where its activations lie. Compiled
// once per instruction set (simd_table.h).

SIMD_INLINE void store_sums(const product_part *p, size_t tile, size_t token, floats sums) {
  store_first(p->output + token * p->token_step + tile * p->tile_step, p->rows - TILE * tile, sums);
}

// Four bytes at any address.
SIMD_INLINE int32_t word_at(const void *p) {
  int32_t word;
  memcpy(&word, p, 4);
  return word;
}

// The activations of a part's tokens from `first` on, group after group.
typedef struct {
  const int8_t *x;             // [groups][width][32]
  const float *scales;         // [groups][width]
  const int32_t *corrections;  // [groups][width]
} integer_tokens;

SIMD_INLINE integer_tokens integer_tokens_of(const product_part *p, size_t first) {
  size_t groups = padded_groups(p->format, p->columns);
  const float *scales = (const float *)(p->block + groups * p->width * GROUP);
  return (integer_tokens){
      .x = (const int8_t *)p->block + GROUP * first,
      .scales = scales + first,
      .corrections = (const int32_t *)(scales + groups * p->width) + first,
  };
}

SIMD_INLINE void next_group(integer_tokens *from, size_t width) {
  from->x += GROUP * width;
  from->scales += width;
  from->corrections += width;
}

// The same for nf4: in each eight of `x` the order 0 2 4 6 1 3 5 7.
typedef struct {
  const int16_t *x;     // [groups][width][32]
  const float *scales;  // [groups][width]
} nf4_tokens;

SIMD_INLINE nf4_tokens nf4_tokens_of(const product_part *p, size_t first) {
  size_t groups = padded_groups(MARTLET_NF4, p->columns);
  return (nf4_tokens){
      .x = (const int16_t *)p->block + GROUP * first,
      .scales = (const float *)(p->block + 2 * groups * p->width * GROUP) + first,
  };
}
