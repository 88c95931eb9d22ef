// The scan of codes: a lane per row, one load of 16 rows' codes serves several queries. Relies on what
// simd_avx2_scan.h or simd_avx512_scan.h offer for the products. Bounds are computed in the oracle's
// order, so that hits are equal bit for bit; none of them is NaN.

// How many bytes before it is scanned a tile is asked for, where it is alone: measured, with fewer it
// comes too late, with more the processor has forgotten it.
enum { SCAN_AHEAD = 6400 };

typedef struct {
  const uint8_t *codes;
  const void *numbers;  // after the codes
  uint32_t allowed;
  uint32_t first_row;
} scan_tile;

typedef struct {
  floats scale, error, norm, square;
} scan_numbers;

SIMD_INLINE scan_numbers numbers_of(martlet_scan_codes format, const void *numbers) {
  if (format == MARTLET_SCAN_FINE) {
    const float *from = numbers;
    return (scan_numbers){load(from), load(from + 16), load(from + 32), load(from + 48)};
  }
  const uint16_t *from = numbers;
  return (scan_numbers){load_bfloat(from), load_bfloat(from + 16), load_bfloat(from + 32),
                        load_bfloat(from + 48)};
}

// Appends the rows of one tile that can reach the query's threshold.
SIMD_INLINE void report(const martlet_scan *scan, martlet_scan_codes format, size_t q,
                        scan_tile tile, ints sums) {
  const martlet_scan_query *query = &scan->queries[q];
  scan_numbers row = numbers_of(format, tile.numbers);
  floats scale = multiply(row.scale, broadcast(query->scale));
  floats estimate = subtract(multiply(from_ints(sums), scale),
                             multiply(broadcast(query->square_weight), row.square));
  floats slack = add(multiply(broadcast(query->error_weight), row.error),
                     multiply(broadcast(query->norm_weight), row.norm));
  slack = add(slack, multiply(broadcast(query->square_slack), row.square));
  slack = add(slack, broadcast(query->slack));
  floats upper = add(estimate, slack);
  uint32_t hit = not_below(upper, scan->thresholds[q], 16) & tile.allowed;
  if (!hit) return;
  float uppers[16], estimates[16];
  store(uppers, upper);
  store(estimates, estimate);
  martlet_scan_hit *hits = scan->hits + q * 16 * scan->tile_count;
  for (; hit; hit &= hit - 1) {
    int lane = __builtin_ctz(hit);
    hits[scan->hit_counts[q]++] = (martlet_scan_hit){.row = tile.first_row + (uint32_t)lane,
                                                     .estimate = estimates[lane],
                                                     .upper = uppers[lane]};
  }
}

// Line `g` of a tile, which has the levels of four columns, or of eight.
SIMD_INLINE void load_line(martlet_scan_codes format, const uint8_t *codes, size_t g,
                           scan_levels levels[2]) {
  if (format == MARTLET_SCAN_FINE) levels[0] = load_levels(codes + 64 * g);
  else load_coarse_levels(codes + 64 * g, levels);
}

SIMD_INLINE size_t levels_per_line(martlet_scan_codes format) {
  return format == MARTLET_SCAN_FINE ? 1 : 2;
}

SIMD_INLINE size_t lines_per_tile(const martlet_scan *scan, martlet_scan_codes format) {
  return divide_up(scan->columns, 4 * levels_per_line(format));
}

// Several queries share what is loaded of a tile.
SIMD_INLINE void scan_some(const martlet_scan *scan, martlet_scan_codes format, size_t first,
                           scan_tile tile) {
  ints sums[SCAN_QUERIES];
  UNROLL for (size_t q = 0; q < SCAN_QUERIES; q++) sums[q] = scan_start(&scan->queries[first + q]);
  size_t lines = lines_per_tile(scan, format), width = levels_per_line(format);
  for (size_t g = 0; g < lines; g++) {
    scan_levels levels[2];
    load_line(format, tile.codes, g, levels);
    UNROLL for (size_t q = 0; q < SCAN_QUERIES; q++) {
      const int8_t *codes = scan->queries[first + q].codes + 4 * width * g;
      UNROLL for (size_t i = 0; i < width; i++) {
        sums[q] = add_levels(sums[q], levels[i], codes + 4 * i);
      }
    }
  }
  UNROLL for (size_t q = 0; q < SCAN_QUERIES; q++) report(scan, format, first + q, tile, sums[q]);
}

// One query alone: several sums hide the latency of the products. What is computed per line is little,
// so each line of a later tile is asked for in time: on its own the processor fetches what follows,
// which is the wrong tile where some are left out. Into the second-level cache, which has many more
// lines under way than the first.
SIMD_INLINE void scan_one(const martlet_scan *scan, martlet_scan_codes format, size_t q,
                          scan_tile tile, const uint8_t *later) {
  size_t lines = lines_per_tile(scan, format), width = levels_per_line(format);
  size_t step = SCAN_CHAINS / width, g = 0;
  ints sums[SCAN_CHAINS];
  sums[0] = scan_start(&scan->queries[q]);
  UNROLL for (size_t i = 1; i < SCAN_CHAINS; i++) sums[i] = int_zeros();
  const int8_t *query = scan->queries[q].codes;
  for (; g + step <= lines; g += step) {
    UNROLL for (size_t i = 0; i < step; i++) {
      __builtin_prefetch(later + 64 * (g + i), 0, 2);
      scan_levels levels[2];
      load_line(format, tile.codes, g + i, levels);
      UNROLL for (size_t j = 0; j < width; j++) {
        size_t chain = width * i + j;
        sums[chain] = add_levels(sums[chain], levels[j], query + 4 * (width * g + chain));
      }
    }
  }
  for (; g < lines; g++) {
    scan_levels levels[2];
    load_line(format, tile.codes, g, levels);
    UNROLL for (size_t j = 0; j < width; j++) {
      sums[j] = add_levels(sums[j], levels[j], query + 4 * (width * g + j));
    }
  }
  __builtin_prefetch(later + 64 * lines, 0, 2);  // its numbers
  __builtin_prefetch(later + 64 * lines + 64, 0, 2);
  UNROLL for (size_t i = 1; i < SCAN_CHAINS; i++) sums[0] = add_ints(sums[0], sums[i]);
  report(scan, format, q, tile, sums[0]);
}

// Whether passing over tiles without an allowed row saves time. One query waits for memory, which gives
// most of the tiles no sooner than all of them, one after the other.
SIMD_INLINE bool skips_tiles(const martlet_scan *scan) {
  if (!scan->allowed) return false;
  size_t count = 0;
  for (size_t t = 0; t < scan->tile_count; t++) count += scan->allowed[t] != 0;
  return 3 * count < 2 * scan->tile_count;
}

// The first tile from t on that has an allowed row, where tiles are skipped at all; beyond the last one
// they follow each other, as those of the next scan will.
SIMD_INLINE size_t next_tile(const martlet_scan *scan, size_t t, bool skips) {
  while (skips && t < scan->tile_count && !scan->allowed[t]) t++;
  return t;
}

SIMD_INLINE scan_tile tile_at(const martlet_scan *scan, martlet_scan_codes format, size_t t) {
  const uint8_t *codes = scan->tiles + t * martlet_scan_tile_bytes(format, scan->columns);
  return (scan_tile){.codes = codes,
                     .numbers = codes + 64 * lines_per_tile(scan, format),
                     .allowed = scan->allowed ? scan->allowed[t] : 0xffff,
                     .first_row = (uint32_t)(16 * t)};
}

SIMD_INLINE void scan_for_one(const martlet_scan *scan, martlet_scan_codes format, size_t q) {
  size_t tile_bytes = martlet_scan_tile_bytes(format, scan->columns);
  size_t ahead = SCAN_AHEAD < tile_bytes ? 1 : SCAN_AHEAD / tile_bytes;
  bool skips = skips_tiles(scan);
  size_t t = next_tile(scan, 0, skips), later = t;
  for (size_t i = 0; i < ahead; i++) later = next_tile(scan, later + 1, skips);
  for (; t < scan->tile_count; t = next_tile(scan, t + 1, skips)) {
    scan_one(scan, format, q, tile_at(scan, format, t), scan->tiles + later * tile_bytes);
    later = next_tile(scan, later + 1, skips);
  }
}

SIMD_INLINE void scan_for_some(const martlet_scan *scan, martlet_scan_codes format, size_t q) {
  bool skips = scan->allowed != NULL;
  for (size_t t = next_tile(scan, 0, skips); t < scan->tile_count;
       t = next_tile(scan, t + 1, skips)) {
    scan_some(scan, format, q, tile_at(scan, format, t));
  }
}

SIMD_INLINE void scan_codes(const martlet_scan *scan, martlet_scan_codes format) {
  for (size_t q = 0; q < scan->query_count; q++) scan->hit_counts[q] = 0;
  // Tiles stay in the second-level cache while some queries at a time pass over them.
  for (size_t q = 0; q < scan->query_count;) {
    bool some = scan->query_count - q >= SCAN_QUERIES;
    if (some) scan_for_some(scan, format, q);
    else scan_for_one(scan, format, q);
    q += some ? SCAN_QUERIES : 1;
  }
}

SIMD static void simd_scan(const martlet_scan *scan) {
  if (scan->format == MARTLET_SCAN_FINE) scan_codes(scan, MARTLET_SCAN_FINE);
  else scan_codes(scan, MARTLET_SCAN_COARSE);
}
