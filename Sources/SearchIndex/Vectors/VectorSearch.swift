// Exact search in two passes. The first one reads 8-bit codes, a quarter of the bytes, and keeps the
// rows whose upper bound reaches the k-th greatest lower bound; the second computes the float32
// scores of those, of which there are few, by the fixed-order kernels. The result is that of the
// plain loop over all rows, row for row, whatever the number of threads: a row that is left out has
// a score below those of k others. Several queries share one pass over the codes.

import CKernels
package import Compute
import Synchronization

package struct VectorSearch: Sendable {
  private let matrix: VectorMatrix
  private let similarity: Similarity
  private let mask: RowBitmap?
  private let pool: ThreadPool

  /// - Parameter mask: rows that may be found; nil is all.
  package init(
    _ matrix: VectorMatrix, _ similarity: Similarity, mask: RowBitmap?, pool: ThreadPool
  ) {
    precondition(mask.map { $0.rowCount == matrix.count } ?? true)
    self.matrix = matrix
    self.similarity = similarity
    self.mask = mask
    self.pool = pool
  }

  /// The `count` best rows for each query (prepared by the Similarity), best first.
  package func top(_ count: Int, for queries: [[Float]]) -> [[ScoredRow]] {
    guard matrix.count > 0, count > 0, !queries.isEmpty else { return queries.map { _ in [] } }
    let scan = ScanQueries(queries, metric: similarity.metric, dimension: matrix.dimension)
    let merged = Mutex(CandidateLists(scan, count))
    let next = Atomic<Int>(0)
    let allowed = AllowedBits(mask)
    pool.run { _, _ in
      var lists = CandidateLists(scan, count)
      let room = HitRoom()
      while true {
        let run = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard run * VectorMatrix.runRows < fullTileRows else { break }
        self.scan(run, allowed, room, &lists)
      }
      merged.withLock { $0.merge(lists) }
    }
    let candidates = merged.withLock { lists in queries.indices.map { lists.candidates($0) } }
    let results = Mutex([[ScoredRow]](repeating: [], count: queries.count))
    pool.parallelFor(queries.count) { range in
      for number in range {
        let best = rescore(candidates[number], queries[number], count)
        results.withLock { $0[number] = best }
      }
    }
    return results.withLock { $0 }
  }

  /// One query's score of one row.
  package func score(_ query: [Float], row: Int) -> Double {
    Double(similarity.score(query, matrix.row(row), matrix.dimension))
  }

  /// Rows of tiles that are full. A writer may be filling the one after them.
  private var fullTileRows: Int { matrix.count / VectorMatrix.tileRows * VectorMatrix.tileRows }

  private func rescore(_ candidates: [Int], _ query: [Float], _ count: Int) -> [ScoredRow] {
    var best = TopRows(capacity: count)
    for row in candidates { best.insert(ScoredRow(row: row, score: score(query, row: row))) }
    for row in fullTileRows..<matrix.count where mask?[row] ?? true {
      best.insert(ScoredRow(row: row, score: score(query, row: row)))
    }
    return best.sorted
  }

  // MARK: First pass

  private func scan(
    _ run: Int, _ allowed: AllowedBits, _ room: HitRoom, _ lists: inout CandidateLists
  ) {
    let first = run * VectorMatrix.runRows
    let tile = first / VectorMatrix.tileRows
    let rows = min(VectorMatrix.runRows, fullTileRows - first)
    for query in stride(from: 0, to: lists.queries.count, by: HitRoom.queryCount) {
      let queryCount = min(HitRoom.queryCount, lists.queries.count - query)
      lists.queries.withUnsafeBufferPointer { queries in
        guard let base = queries.baseAddress else { return }
        var scan = martlet_scan(
          tiles: matrix.tile(tile), tile_count: rows / VectorMatrix.tileRows,
          columns: matrix.dimension, allowed: allowed.pointer.map { $0 + tile },
          queries: base + query, query_count: queryCount, hits: room.hits,
          hit_counts: room.counts)
        kernels.scan(&scan)
      }
      for number in 0..<queryCount {
        lists.take(
          UnsafeBufferPointer(start: room.hits + number * rows, count: room.counts[number]),
          firstRow: first, query: query + number)
      }
    }
  }
}

/// For each query, the rows that the scan could not leave out.
private struct CandidateLists {
  /// With the thresholds so far.
  private(set) var queries: [martlet_scan_query]
  /// The k greatest lower bounds.
  private var lowerBounds: [TopRows]
  private var candidates: [[(row: Int, upper: Float)]]

  init(_ scan: ScanQueries, _ count: Int) {
    queries = scan.all
    lowerBounds = scan.all.map { _ in TopRows(capacity: count) }
    candidates = scan.all.map { _ in [] }
  }

  mutating func take(
    _ hits: UnsafeBufferPointer<martlet_scan_hit>, firstRow: Int, query: Int
  ) {
    guard !hits.isEmpty else { return }
    for hit in hits where hit.upper >= queries[query].threshold {
      let row = firstRow + Int(hit.row)
      candidates[query].append((row, hit.upper))
      lowerBounds[query].insert(ScoredRow(row: row, score: Double(hit.lower)))
      queries[query].threshold = Float(lowerBounds[query].threshold)
    }
  }

  mutating func merge(_ other: CandidateLists) {
    for query in queries.indices {
      candidates[query] += other.candidates[query]
      lowerBounds[query].merge(other.lowerBounds[query])
    }
  }

  /// Rows whose upper bound reaches the k-th greatest lower bound.
  func candidates(_ query: Int) -> [Int] {
    let threshold = Float(lowerBounds[query].threshold)
    return candidates[query].filter { $0.upper >= threshold }.map(\.row)
  }
}

/// Where the kernel writes its hits: of one run, for as many queries as it serves at a time.
private final class HitRoom {
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
