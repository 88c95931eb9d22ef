// The scan of one search: which rows can reach the queries' thresholds, a run of rows at a time.

import CKernels
import Compute

struct RowScan: Sendable {
  let queries: ScanQueries
  private let matrix: VectorMatrix
  private let allowed: AllowedBits

  init(_ matrix: VectorMatrix, _ queries: ScanQueries, mask: RowBitmap?) {
    self.matrix = matrix
    self.queries = queries
    allowed = AllowedBits(mask)
  }

  /// Rows of tiles that are full. A writer may be filling the one after them.
  var rowCount: Int { matrix.count / VectorMatrix.tileRows * VectorMatrix.tileRows }

  var runCount: Int { (rowCount + VectorMatrix.runRows - 1) / VectorMatrix.runRows }

  func rows(ofRun run: Int) -> Range<Int> {
    let first = run * VectorMatrix.runRows
    return first..<min(first + VectorMatrix.runRows, rowCount)
  }

  /// Tiles of a run that have rows which may be found.
  func tileCount(ofRun run: Int) -> Int {
    let rows = rows(ofRun: run)
    let tiles = rows.lowerBound / VectorMatrix.tileRows..<rows.upperBound / VectorMatrix.tileRows
    guard let allowed = allowed.pointer else { return tiles.count }
    return tiles.reduce(0) { $0 + (allowed[$1] == 0 ? 0 : 1) }
  }

  /// What there is to read of codes.
  func byteCount(_ codes: martlet_scan_codes) -> Int {
    let tiles = (0..<runCount).reduce(0) { $0 + tileCount(ofRun: $1) }
    return tiles * martlet_scan_tile_bytes(codes, matrix.dimension)
  }

  /// Calls `body` with the hits of each of some queries, whose rows count from the run's first.
  func forEachHit(
    ofRun run: Int, _ codes: martlet_scan_codes, queries range: Range<Int>, thresholds: [Float],
    _ room: HitRoom, _ body: (_ query: Int, UnsafeBufferPointer<martlet_scan_hit>) -> Void
  ) {
    let rows = rows(ofRun: run)
    let tile = rows.lowerBound / VectorMatrix.tileRows
    let all = codes == MARTLET_SCAN_FINE ? queries.fine : queries.coarse
    for first in stride(from: range.lowerBound, to: range.upperBound, by: HitRoom.queryCount) {
      let count = min(HitRoom.queryCount, range.upperBound - first)
      all.withUnsafeBufferPointer { all in
        thresholds.withUnsafeBufferPointer { thresholds in
          guard let query = all.baseAddress, let threshold = thresholds.baseAddress else { return }
          var scan = martlet_scan(
            format: codes, tiles: matrix.tile(tile, codes),
            tile_count: rows.count / VectorMatrix.tileRows, columns: matrix.dimension,
            allowed: allowed.pointer.map { $0 + tile }, queries: query + first,
            thresholds: threshold + first, query_count: count, hits: room.hits,
            hit_counts: room.counts)
          kernels.scan(&scan)
        }
      }
      for number in 0..<count where room.counts[number] > 0 {
        let hits = room.hits + number * rows.count
        body(first + number, UnsafeBufferPointer(start: hits, count: room.counts[number]))
      }
    }
  }
}

/// Where the kernel writes its hits: of one run, for as many queries as it serves at a time.
final class HitRoom {
  static let queryCount = 8
  let hits = UnsafeMutablePointer<martlet_scan_hit>.allocate(
    capacity: queryCount * VectorMatrix.runRows)
  let counts = UnsafeMutablePointer<Int>.allocate(capacity: queryCount)

  deinit {
    hits.deallocate()
    counts.deallocate()
  }
}

/// A mask as the kernel reads it: 16 bits per tile.
// SAFETY: written before init returns and never again.
private final class AllowedBits: @unchecked Sendable {
  private let words: UnsafeMutablePointer<UInt64>?

  init(_ mask: RowBitmap?) {
    words = mask.map { mask in
      let words = UnsafeMutablePointer<UInt64>.allocate(capacity: max(1, mask.words.count))
      words.initialize(from: mask.words, count: mask.words.count)
      return words
    }
  }

  deinit { words?.deallocate() }

  var pointer: UnsafePointer<UInt16>? {
    words.map { UnsafeRawPointer($0).assumingMemoryBound(to: UInt16.self) }
  }
}
