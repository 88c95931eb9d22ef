// The scan of 8-bit codes: a lane per row, one load of 16 rows' codes serves several queries. Relies
// on scan_codes, scan_start and add_codes of simd_avx2_scan.h or simd_avx512_scan.h for the products.
// Bounds are computed in the oracle's order, so that hits are equal bit for bit; none of them is NaN.

typedef struct {
  const uint8_t *codes;
  const uint8_t *next;  // the tile that is scanned after it
  size_t groups;
  uint32_t allowed;
  uint32_t first_row;
} scan_tile;

// Appends the rows of one tile that can reach the query's threshold.
SIMD_INLINE void report(const martlet_scan *scan, size_t q, scan_tile tile, ints sums) {
  const martlet_scan_query *query = &scan->queries[q];
  const float *numbers = (const float *)(tile.codes + tile.groups * 64);
  floats scale = load(numbers), error = load(numbers + 16);
  floats norm = load(numbers + 32), square = load(numbers + 48);
  floats estimate = subtract(multiply(from_ints(sums), multiply(scale, broadcast(query->scale))),
                             multiply(broadcast(query->square_weight), square));
  floats slack = add(multiply(broadcast(query->error_weight), error),
                     multiply(broadcast(query->norm_weight), norm));
  slack = add(slack, multiply(broadcast(query->square_slack), square));
  slack = add(slack, broadcast(query->slack));
  floats upper = add(estimate, slack);
  uint32_t hit = not_below(upper, query->threshold, 16) & tile.allowed;
  if (!hit) return;
  float uppers[16], lowers[16];
  store(uppers, upper);
  store(lowers, subtract(estimate, slack));
  martlet_scan_hit *hits = scan->hits + q * 16 * scan->tile_count;
  for (; hit; hit &= hit - 1) {
    int row = __builtin_ctz(hit);
    hits[scan->hit_counts[q]++] = (martlet_scan_hit){
        .row = tile.first_row + (uint32_t)row, .lower = lowers[row], .upper = uppers[row]};
  }
}

SIMD_INLINE void scan_some(const martlet_scan *scan, size_t first, scan_tile tile) {
  ints sums[SCAN_QUERIES];
  UNROLL for (size_t q = 0; q < SCAN_QUERIES; q++) sums[q] = scan_start(&scan->queries[first + q]);
  for (size_t g = 0; g < tile.groups; g++) {
    scan_codes codes = load_codes(tile.codes + 64 * g);
    UNROLL for (size_t q = 0; q < SCAN_QUERIES; q++) {
      sums[q] = add_codes(sums[q], codes, scan->queries[first + q].codes + 4 * g);
    }
  }
  UNROLL for (size_t q = 0; q < SCAN_QUERIES; q++) report(scan, first + q, tile, sums[q]);
}

// One query alone: several sums hide the latency of the products. What is computed per line is little,
// so each line of the next tile is asked for in time: on its own the processor fetches what follows,
// which is the wrong tile where some are left out. Into the second-level cache, which has many more
// lines under way than the first.
SIMD_INLINE void scan_one(const martlet_scan *scan, size_t q, scan_tile tile) {
  ints sums[SCAN_CHAINS];
  sums[0] = scan_start(&scan->queries[q]);
  UNROLL for (size_t i = 1; i < SCAN_CHAINS; i++) sums[i] = int_zeros();
  const int8_t *query = scan->queries[q].codes;
  size_t g = 0;
  for (; g + SCAN_CHAINS <= tile.groups; g += SCAN_CHAINS) {
    UNROLL for (size_t i = 0; i < SCAN_CHAINS; i++) {
      __builtin_prefetch(tile.next + 64 * (g + i), 0, 2);
      sums[i] = add_codes(sums[i], load_codes(tile.codes + 64 * (g + i)), query + 4 * (g + i));
    }
  }
  for (; g < tile.groups; g++) {
    sums[0] = add_codes(sums[0], load_codes(tile.codes + 64 * g), query + 4 * g);
  }
  UNROLL for (size_t i = 1; i < SCAN_CHAINS; i++) sums[0] = add_ints(sums[0], sums[i]);
  report(scan, q, tile, sums[0]);
}

// The first tile from t on that has an allowed row, where tiles are skipped at all.
SIMD_INLINE size_t next_tile(const martlet_scan *scan, size_t t, bool skips) {
  while (skips && t < scan->tile_count && !scan->allowed[t]) t++;
  return t;
}

// Whether passing over tiles without an allowed row saves time. One query waits for memory, which gives
// most of the tiles no sooner than all of them, one after the other.
SIMD_INLINE bool skips_tiles(const martlet_scan *scan, size_t queries) {
  if (!scan->allowed || queries > 1) return scan->allowed != NULL;
  size_t count = 0;
  for (size_t t = 0; t < scan->tile_count; t++) count += scan->allowed[t] != 0;
  return 3 * count < 2 * scan->tile_count;
}

SIMD static void simd_scan(const martlet_scan *scan) {
  size_t tile_bytes = martlet_scan_tile_bytes(scan->columns);
  for (size_t q = 0; q < scan->query_count; q++) scan->hit_counts[q] = 0;
  // Tiles stay in the second-level cache while some queries at a time pass over them.
  for (size_t q = 0; q < scan->query_count;) {
    size_t count = scan->query_count - q >= SCAN_QUERIES ? SCAN_QUERIES : 1;
    bool skips = skips_tiles(scan, count);
    for (size_t t = next_tile(scan, 0, skips), next; t < scan->tile_count; t = next) {
      next = next_tile(scan, t + 1, skips);
      scan_tile tile = {
          .codes = scan->tiles + t * tile_bytes,
          .next = scan->tiles + (next < scan->tile_count ? next : t) * tile_bytes,
          .groups = (scan->columns + 3) / 4,
          .allowed = scan->allowed ? scan->allowed[t] : 0xffff,
          .first_row = (uint32_t)(16 * t),
      };
      if (count > 1) scan_some(scan, q, tile);
      else scan_one(scan, q, tile);
    }
    q += count;
  }
}
