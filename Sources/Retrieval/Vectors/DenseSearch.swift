// Exact search: every allowed row is scored by the fixed-order kernels, on all threads of the pool,
// and the k best are kept. Several queries share one pass over the rows. The result is that of the
// plain loop over all rows, whatever the number of threads.

import Compute
import Synchronization

struct DenseSearch: Sendable {
  let index: CollectionIndex
  let mask: RowMask
  let pool: ThreadPool

  /// Rows per step: their scores fit the first-level cache, the rows the second.
  private static let blockRows = 256

  /// The `count` best rows for each query (prepared by the index's Similarity), best first.
  func top(_ count: Int, for queries: [[Float]]) -> [[ScoredRow]] {
    guard mask.allowedCount > 0, !queries.isEmpty else { return queries.map { _ in [] } }
    let best = Mutex(queries.map { _ in TopRows(capacity: count) })
    let blocks = (index.rowCount + Self.blockRows - 1) / Self.blockRows
    pool.parallelFor(blocks) { range in
      var local = queries.map { _ in TopRows(capacity: count) }
      let rows = range.lowerBound * Self.blockRows..<range.upperBound * Self.blockRows
      scan(rows.clamped(to: 0..<index.rowCount), queries, &local)
      best.withLock { best in
        for query in best.indices { best[query].merge(local[query]) }
      }
    }
    return best.withLock { $0.map(\.sorted) }
  }

  /// One query's score of one row.
  func score(_ query: [Float], row: Int) -> Double {
    Double(index.similarity.score(query, index.matrix.row(row), index.dimension))
  }

  private func scan(_ rows: Range<Int>, _ queries: [[Float]], _ best: inout [TopRows]) {
    var scores = [Float](repeating: 0, count: Self.blockRows)
    var first = rows.lowerBound
    while first < rows.upperBound {
      let limit = min(Self.blockRows, rows.upperBound - first)
      let run = index.matrix.run(from: first, limit: limit)
      let allowed = mask.allowed.map { mask in run.filter { mask[$0] } }
      if let allowed, allowed.count * 4 < run.count {
        scanSingly(allowed, queries, &best)
      } else {
        for (number, query) in queries.enumerated() {
          index.similarity.scores(
            query, index.matrix.row(run.lowerBound), index.dimension, count: run.count,
            into: &scores)
          insert(run, allowed, scores, into: &best[number])
        }
      }
      first = run.upperBound
    }
  }

  /// Few rows of a block pass: the others aren't read.
  private func scanSingly(_ rows: [Int], _ queries: [[Float]], _ best: inout [TopRows]) {
    for row in rows {
      for (number, query) in queries.enumerated() {
        best[number].insert(ScoredRow(row: row, score: score(query, row: row)))
      }
    }
  }

  private func insert(
    _ run: Range<Int>, _ allowed: [Int]?, _ scores: [Float], into best: inout TopRows
  ) {
    var threshold = best.threshold
    func consider(_ row: Int) {
      let score = Double(scores[row - run.lowerBound])
      guard score >= threshold else { return }
      best.insert(ScoredRow(row: row, score: score))
      threshold = best.threshold
    }
    if let allowed { allowed.forEach(consider) } else { run.forEach(consider) }
  }
}
