// Exact search that reads few values. A scan of codes bounds every row's score from above; rows that
// seem to be among the best are scored in float32 at once, which tells early how high the k-th best
// score is, and those that could be, though it is not likely, wait for the end. Then that score leaves
// few of them to be scored. The result is that of the plain loop over all rows, row for row, whatever
// the number of threads: a row that is left out has a score below those of k others.
//
// One query waits for memory where there are many rows: it reads coarse codes, an eighth of the bytes, and
// among them hundreds of rows wait for each that is found. Where a part of the rows is alike, and too many
// would wait, fine codes are read instead, as where caches hold most of them. Eight queries and more, which
// share what is read, wait for arithmetic: they read fine codes.
//
// Values on disk are read last and least: all rows wait, and lower bounds tell how high the k-th best is.

import CKernels
package import Compute
import Synchronization

package struct VectorSearch: Sendable {
  private let matrix: VectorMatrix
  private let similarity: Similarity
  private let mask: RowBitmap?
  private let pool: ThreadPool
  private let coarseFrom: Int

  /// - Parameters:
  ///   - mask: rows that may be found; nil is all.
  ///   - coarseFrom: bytes of fine codes to read from which on one query reads coarse ones first.
  package init(
    _ matrix: VectorMatrix, _ similarity: Similarity, mask: RowBitmap?, pool: ThreadPool,
    coarseFrom: Int = 64 << 20
  ) {
    precondition(mask.map { $0.rowCount == matrix.count } ?? true)
    self.matrix = matrix
    self.similarity = similarity
    self.mask = mask
    self.pool = pool
    self.coarseFrom = coarseFrom
  }

  /// The `count` best rows for each query (prepared by the Similarity), best first.
  package func top(_ count: Int, for queries: [[Float]]) -> [[ScoredRow]] {
    guard matrix.count > 0, count > 0, !queries.isEmpty else { return queries.map { _ in [] } }
    let scan = RowScan(
      matrix, ScanQueries(queries, metric: similarity.metric, dimension: matrix.dimension),
      mask: mask)
    // Both are read by pointers, which keep nothing.
    defer { withExtendedLifetime((matrix, scan)) {} }
    let isFine =
      queries.count >= HitRoom.queryCount || scan.byteCount(MARTLET_SCAN_FINE) < coarseFrom
    let found = Mutex(ScanFindings(scan.queries, count))
    let next = Atomic<Int>(0)
    pool.run { _, _ in
      var part = ScanFindings(scan.queries, count)
      var pace = CoarsePace(isOff: isFine || !matrix.hasCoarseCodes)
      let room = HitRoom()
      while true {
        // Some runs in a row: the processor reads on beyond the end of one.
        let first = next.wrappingAdd(Self.runsInARow, ordering: .relaxed).oldValue
        guard first < scan.runCount else { break }
        found.withLock { $0.share(&part) }
        for run in first..<min(first + Self.runsInARow, scan.runCount) {
          self.scan(run, scan, queries, room, &pace, &part)
        }
      }
      found.withLock { $0.merge(part) }
    }
    let known = found.withLock { $0 }
    let waiting = known.waitingRows(scan)
    pool.parallelFor(waiting.count, grain: 8) { range in
      let better = scored(waiting[range], scan, queries, known.thresholds)
      found.withLock { found in
        for (query, row) in better { found.insert(row, query: query) }
      }
    }
    return found.withLock { found in
      for row in scan.rowCount..<matrix.count where mask?[row] ?? true {
        for (number, query) in queries.enumerated() {
          found.insert(ScoredRow(row: row, score: score(query, row: row)), query: number)
        }
      }
      return found.best.map(\.sorted)
    }
  }

  /// One query's score of one row.
  package func score(_ query: [Float], row: Int) -> Double {
    defer { withExtendedLifetime(matrix) {} }
    return Double(similarity.score(query, matrix.row(row), matrix.dimension))
  }

  private static let runsInARow = 2

  // MARK: Scan

  private func scan(
    _ run: Int, _ scan: RowScan, _ queries: [[Float]], _ room: HitRoom, _ pace: inout CoarsePace,
    _ part: inout ScanFindings
  ) {
    let isCoarse = pace.next()
    let first = run * VectorMatrix.runRows
    var most = 0
    scan.forEachHit(
      ofRun: run, isCoarse ? MARTLET_SCAN_COARSE : MARTLET_SCAN_FINE, queries: queries.indices,
      thresholds: part.thresholds, room
    ) { query, hits in
      fetchBest(hits, first, part.thresholds[query])
      var waiting = 0
      for hit in hits where hit.upper >= part.thresholds[query] {
        let row = first + Int(hit.row)
        if matrix.storage == .memory, hit.estimate >= part.thresholds[query] {
          let score = score(queries[query], row: row)
          part.insert(ScoredRow(row: row, score: score), query: query)
        } else {
          part.wait(row, hit.upper, isCoarse: isCoarse, query: query)
          if matrix.storage != .memory {
            part.raise(byRow: row, atLeast: hit.lower, query: query)
          }
          waiting += 1
        }
      }
      most = max(most, waiting)
    }
    if isCoarse { pace.note(isCrowded: 2 * most > scan.tileCount(ofRun: run)) }
  }

  /// Asks for the values that will be read at once.
  private func fetchBest(
    _ hits: UnsafeBufferPointer<martlet_scan_hit>, _ first: Int, _ threshold: Float
  ) {
    guard matrix.storage == .memory, threshold > -.infinity else { return }
    for hit in hits where hit.estimate >= threshold {
      martlet_fetch_row(matrix.row(first + Int(hit.row)), matrix.dimension)
    }
  }

  // MARK: Waiting rows

  /// Those that reach the thresholds. In runs that are crowded with them fine codes tell which ones do,
  /// for fewer bytes than the values have.
  private func scored(
    _ waiting: ArraySlice<WaitingRows>, _ scan: RowScan, _ queries: [[Float]],
    _ thresholds: [Float]
  ) -> [(query: Int, row: ScoredRow)] {
    var rows: [(query: Int, row: Int)] = []
    for some in waiting {
      guard let run = some.crowdedRun else {
        for row in some.rows { rows.append((some.query, Int(row.row))) }
        continue
      }
      scan.forEachHit(
        ofRun: run, MARTLET_SCAN_FINE, queries: some.query..<some.query + 1,
        thresholds: thresholds, HitRoom()
      ) { query, hits in
        // Others have been scored.
        var rest = some.rows
        for hit in hits {
          let row = run * VectorMatrix.runRows + Int(hit.row)
          rest = rest.drop { $0.row < row }
          if let next = rest.first, next.row == row { rows.append((query, row)) }
        }
      }
    }
    return rows.indices.compactMap { index in
      let ahead = min(index + Self.fetchedAhead, rows.count - 1)
      martlet_fetch_row(matrix.row(rows[ahead].row), matrix.dimension)
      let (query, row) = rows[index]
      let score = score(queries[query], row: row)
      guard scan.queries.threshold(query, score: score) >= thresholds[query] else { return nil }
      return (query, ScoredRow(row: row, score: score))
    }
  }

  /// Rows whose values are on their way while one is scored.
  private static let fetchedAhead = 6
}

/// Which runs are scanned by coarse codes: all, until one is crowded with rows that wait, more than one
/// for two tiles that are read; then ever fewer, so that they cost next to nothing where they don't help.
private struct CoarsePace {
  let isOff: Bool
  private var pause = 0
  private var left = 0
  private static let longest = 64

  init(isOff: Bool) { self.isOff = isOff }

  mutating func next() -> Bool {
    if isOff { return false }
    left -= 1
    return left < 0
  }

  mutating func note(isCrowded: Bool) {
    pause = isCrowded ? min(max(1, 4 * pause), Self.longest) : 0
    left = pause
  }
}

extension martlet_scan_hit {
  /// The row's score is not below this. Twice rounded, so the last bits are left out.
  fileprivate var lower: Float { (2 * estimate - upper).nextDown.nextDown }
}
