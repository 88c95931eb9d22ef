// Where codes and scales lie in a packed tile, in plain C. The layouts themselves are told in ckernels.h.
#ifndef MARTLET_CODE_BLOCKS_H
#define MARTLET_CODE_BLOCKS_H

#include <string.h>

#include "layout.h"
#include "scalar_math.h"

// A quantised block: some groups of `group` columns, `code_bytes` of codes each, then scales. A tile's
// first block begins at `head`.
typedef struct {
  size_t group, groups, code_bytes, scale_bytes, head, block_bytes;
  bool four_bits, stepped;
} block_shape;

static inline block_shape shape_of(martlet_format format) {
  switch (format) {
    case MARTLET_INT4: return (block_shape){32, 2, 256, 2, 0, INT4_BLOCK_BYTES, true, false};
    case MARTLET_INT4_STEPPED:
      return (block_shape){32, 4, 256, 1, STEPPED_HEAD_BYTES, STEPPED_BLOCK_BYTES, true, true};
    case MARTLET_NF4: return (block_shape){64, 2, 512, 2, 0, NF4_BLOCK_BYTES, true, false};
    default: return (block_shape){32, 2, 512, 2, 0, INT8_BLOCK_BYTES, false, false};
  }
}

// Where group g's codes and scales lie in a tile.
static inline size_t codes_at(block_shape s, size_t g) {
  return s.head + g / s.groups * s.block_bytes + g % s.groups * s.code_bytes;
}
static inline size_t scales_at(block_shape s, size_t g) {
  return s.head + g / s.groups * s.block_bytes + s.groups * s.code_bytes +
         g % s.groups * s.scale_bytes * TILE;
}

static inline float scale_of(block_shape s, const uint8_t *tile, size_t g, size_t r) {
  const uint8_t *from = tile + scales_at(s, g) + s.scale_bytes * r;
  if (!s.stepped) {
    uint16_t half;
    memcpy(&half, from, 2);
    return half_to_float(half);
  }
  float step;
  memcpy(&step, tile + 4 * r, 4);
  return (float)(int8_t)*from * step;
}

#endif
