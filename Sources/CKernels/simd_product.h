// What all products share: how a part's sums are written, where its activations lie, and how the next
// part's weights are fetched meanwhile. Compiled once per instruction set (simd_table.h).

SIMD_INLINE void store_sums(const product_part *p, size_t tile, size_t token, floats sums) {
  store_first(p->output + token * p->token_step + tile * p->tile_step, p->rows - TILE * tile, sums);
}

// One of a part's tiles as a part.
SIMD_INLINE product_part tile_of(const product_part *p, size_t tile) {
  product_part one = *p;
  one.tiles[0] = p->tiles[tile];
  one.tile_count = 1;
  one.output = p->output + tile * p->tile_step;
  one.rows = p->rows - tile * TILE;
  return one;
}

// Four bytes at any address.
SIMD_INLINE int32_t word_at(const void *p) {
  int32_t word;
  memcpy(&word, p, 4);
  return word;
}

// The activations of a part's tokens from `first` on, group after group.
typedef struct {
  const int8_t *x;        // [groups][width][32]
  const float *scales;    // [groups][width]; int4's are anchors (layout.h)
  const int32_t *starts;  // [groups][width]
} integer_tokens;

SIMD_INLINE integer_tokens integer_tokens_of(const product_part *p, size_t first) {
  size_t groups = padded_groups(p->format, p->columns);
  const float *scales = (const float *)(p->block + groups * p->width * GROUP);
  return (integer_tokens){
      .x = (const int8_t *)p->block + GROUP * first,
      .scales = scales + first,
      .starts = (const int32_t *)(scales + groups * p->width) + first,
  };
}

SIMD_INLINE void next_group(integer_tokens *from, size_t width) {
  from->x += GROUP * width;
  from->scales += width;
  from->starts += width;
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

// What a pass over a part fetches of the next part, into the second-level cache. All passes fetch
// equal shares, so that memory is busy while any of them computes. One token alone computes too little
// for that: see `fetch_ahead`.
typedef struct {
  size_t at, end;  // cache lines of a tile times `passes`; nothing to fetch where `passes` is 0
  size_t passes;
} pass_fetch;

SIMD_INLINE pass_fetch fetch_of_pass(const product_part *p, size_t pass, size_t passes) {
  if (p->next[0] == NULL || p->width == 1) return (pass_fetch){0};
  size_t lines = martlet_tile_bytes(p->format, p->columns) / 64;
  size_t begin = pass * lines / passes * passes;
  size_t head = p->format == MARTLET_INT4_STEPPED ? STEPPED_HEAD_BYTES / 64 : 0;
  return (pass_fetch){.at = begin, .end = begin + head, .passes = passes};
}

// What one token alone asks for of its own weights, `byte_count` bytes for as many at `weights`: into the
// first-level cache, which reads at 1.0 of the bandwidth where the second reads at .93 (Ice Lake).
SIMD_INLINE void fetch_ahead(const product_part *p, const uint8_t *weights, size_t byte_count) {
  if (p->ahead == 0) return;
  UNROLL for (size_t i = 0; i < byte_count; i += 64) {
    __builtin_prefetch(weights + p->ahead + i, 0, 3);
  }
}

// This pass's share of the lines of `byte_count` bytes of each tile.
SIMD_INLINE void fetch_share(const product_part *p, size_t tiles, size_t byte_count,
                             pass_fetch *fetch) {
  if (fetch->passes == 0) return;
  for (fetch->end += byte_count / 64; fetch->at < fetch->end; fetch->at += fetch->passes) {
    UNROLL for (size_t t = 0; t < tiles; t++) {
      __builtin_prefetch(p->next[t] + fetch->at / fetch->passes * 64, 0, 2);
    }
  }
}
