// The scan of 8-bit codes for AVX-512: a lane per row, one load of 16 rows' codes serves up to eight
// queries. Bounds are computed in the oracle's order, so that hits are equal bit for bit.

typedef struct {
  const uint8_t *codes;
  size_t groups;
  __mmask16 allowed;
  uint32_t first_row;
} scan_tile;

// Appends the rows of one tile that can reach the query's threshold.
SIMD_INLINE void report(const martlet_scan *scan, size_t q, scan_tile tile, __m512i sums) {
  const martlet_scan_query *query = &scan->queries[q];
  const float *numbers = (const float *)(tile.codes + tile.groups * 64);
  __m512 scale = _mm512_load_ps(numbers), error = _mm512_load_ps(numbers + 16);
  __m512 norm = _mm512_load_ps(numbers + 32), square = _mm512_load_ps(numbers + 48);
  __m512 product = _mm512_cvtepi32_ps(_mm512_sub_epi32(sums, _mm512_set1_epi32(query->code_sum)));
  __m512 estimate =
      _mm512_sub_ps(_mm512_mul_ps(product, _mm512_mul_ps(scale, broadcast(query->scale))),
                    _mm512_mul_ps(broadcast(query->square_weight), square));
  __m512 slack = _mm512_add_ps(_mm512_mul_ps(broadcast(query->error_weight), error),
                               _mm512_mul_ps(broadcast(query->norm_weight), norm));
  slack = _mm512_add_ps(slack, _mm512_mul_ps(broadcast(query->square_slack), square));
  slack = _mm512_add_ps(slack, broadcast(query->slack));
  __m512 upper = _mm512_add_ps(estimate, slack), lower = _mm512_sub_ps(estimate, slack);
  __mmask16 hit = _mm512_mask_cmp_ps_mask(tile.allowed, upper, broadcast(query->threshold),
                                          _CMP_GE_OQ);
  if (!hit) return;
  float uppers[16], lowers[16];
  _mm512_storeu_ps(uppers, upper);
  _mm512_storeu_ps(lowers, lower);
  martlet_scan_hit *hits = scan->hits + q * 16 * scan->tile_count;
  for (; hit; hit &= (__mmask16)(hit - 1)) {
    int row = __builtin_ctz(hit);
    hits[scan->hit_counts[q]++] = (martlet_scan_hit){
        .row = tile.first_row + (uint32_t)row, .lower = lowers[row], .upper = uppers[row]};
  }
}

SIMD_INLINE void scan_some(const martlet_scan *scan, size_t first, size_t count,
                             scan_tile tile) {
  __m512i sums[8];
  UNROLL for (size_t q = 0; q < count; q++) sums[q] = _mm512_setzero_si512();
  for (size_t g = 0; g < tile.groups; g++) {
    __m512i codes = _mm512_load_si512(tile.codes + 64 * g);
    UNROLL for (size_t q = 0; q < count; q++) {
      __m512i query = word_lanes(scan->queries[first + q].codes + 4 * g);
      sums[q] = add_products(MARTLET_INT8, sums[q], codes, query);
    }
  }
  UNROLL for (size_t q = 0; q < count; q++) report(scan, first + q, tile, sums[q]);
}

// One query alone: four sums hide the latency of the products.
SIMD_INLINE void scan_one(const martlet_scan *scan, size_t q, scan_tile tile) {
  __m512i sums[4];
  UNROLL for (size_t i = 0; i < 4; i++) sums[i] = _mm512_setzero_si512();
  const int8_t *query = scan->queries[q].codes;
  size_t g = 0;
  for (; g + 4 <= tile.groups; g += 4) {
    UNROLL for (size_t i = 0; i < 4; i++) {
      __m512i codes = _mm512_load_si512(tile.codes + 64 * (g + i));
      sums[i] = add_products(MARTLET_INT8, sums[i], codes, word_lanes(query + 4 * (g + i)));
    }
  }
  for (; g < tile.groups; g++) {
    __m512i codes = _mm512_load_si512(tile.codes + 64 * g);
    sums[0] = add_products(MARTLET_INT8, sums[0], codes, word_lanes(query + 4 * g));
  }
  report(scan, q, tile, _mm512_add_epi32(_mm512_add_epi32(sums[0], sums[1]),
                                         _mm512_add_epi32(sums[2], sums[3])));
}

SIMD static void simd_scan(const martlet_scan *scan) {
  size_t tile_bytes = martlet_scan_tile_bytes(scan->columns);
  for (size_t q = 0; q < scan->query_count; q++) scan->hit_counts[q] = 0;
  // Tiles stay in the second-level cache while eight queries at a time pass over them.
  for (size_t q = 0; q < scan->query_count;) {
    size_t count = scan->query_count - q >= 8 ? 8 : 1;
    for (size_t t = 0; t < scan->tile_count; t++) {
      scan_tile tile = {
          .codes = scan->tiles + t * tile_bytes,
          .groups = (scan->columns + 3) / 4,
          .allowed = scan->allowed ? scan->allowed[t] : 0xffff,
          .first_row = (uint32_t)(16 * t),
      };
      if (!tile.allowed) continue;
      if (count == 8) scan_some(scan, q, 8, tile);
      else scan_one(scan, q, tile);
    }
    q += count;
  }
}
