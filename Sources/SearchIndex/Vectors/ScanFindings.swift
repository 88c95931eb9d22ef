// What a scan has found for each query: the best of the rows whose scores are known, and rows that wait
// for theirs because their bounds reach the threshold.

struct ScanFindings: Sendable {
  private let queries: ScanQueries
  private(set) var best: [TopRows]
  /// Rows with bounds below them can't be among the best.
  private(set) var thresholds: [Float]
  /// What rows that wait have at least, where their scores are not to be read yet.
  private var lowerBounds: [TopRows]
  private var fine: [[WaitingRow]]
  /// Of these most fall behind a later threshold.
  private var coarse: [[WaitingRow]]

  init(_ queries: ScanQueries, _ count: Int) {
    self.queries = queries
    best = Array(repeating: TopRows(capacity: count), count: queries.count)
    lowerBounds = best
    thresholds = Array(repeating: -.infinity, count: queries.count)
    fine = Array(repeating: [], count: queries.count)
    coarse = fine
  }

  mutating func insert(_ row: ScoredRow, query: Int) {
    best[query].insert(row)
    raise(query)
  }

  mutating func wait(_ row: Int, _ upper: Float, isCoarse: Bool, query: Int) {
    let waiting = WaitingRow(row: Int32(row), upper: upper)
    if isCoarse { coarse[query].append(waiting) } else { fine[query].append(waiting) }
  }

  /// So many rows with bounds as high leave out what can't reach them.
  mutating func raise(byRow row: Int, atLeast lower: Float, query: Int) {
    lowerBounds[query].insert(ScoredRow(row: row, score: Double(lower)))
    thresholds[query] = max(thresholds[query], Float(lowerBounds[query].threshold))
  }

  mutating func merge(_ other: ScanFindings) {
    for query in best.indices {
      best[query].merge(other.best[query])
      raise(query)
      fine[query] += other.fine[query]
      coarse[query] += other.coarse[query]
    }
  }

  /// Both go on with the higher thresholds.
  mutating func share(_ other: inout ScanFindings) {
    for query in best.indices {
      thresholds[query] = max(thresholds[query], other.thresholds[query])
      other.thresholds[query] = thresholds[query]
    }
  }

  private mutating func raise(_ query: Int) {
    let threshold = queries.threshold(query, score: best[query].threshold)
    thresholds[query] = max(thresholds[query], threshold)
  }

  /// The rows that still reach the thresholds, each run's together.
  func waitingRows(_ scan: RowScan) -> [WaitingRows] {
    best.indices.flatMap { query in
      let (fine, coarse) = (reaching(fine[query], query), reaching(coarse[query], query))
      let alone = WaitingRows(query: query, rows: fine[...], crowdedRun: nil)
      return byRuns(coarse, query, scan) + (fine.isEmpty ? [] : [alone])
    }
  }

  /// A run is crowded where it is less work to read its fine codes: with more than two rows that wait for
  /// each tile.
  private func byRuns(_ rows: [WaitingRow], _ query: Int, _ scan: RowScan) -> [WaitingRows] {
    var runs: [WaitingRows] = []
    var start = 0
    while start < rows.count {
      let run = rows[start].run
      let end = rows[start...].firstIndex { $0.run != run } ?? rows.count
      let isCrowded = end - start > 2 * scan.tileCount(ofRun: run)
      runs.append(
        WaitingRows(query: query, rows: rows[start..<end], crowdedRun: isCrowded ? run : nil))
      start = end
    }
    return runs
  }

  private func reaching(_ rows: [WaitingRow], _ query: Int) -> [WaitingRow] {
    rows.filter { $0.upper >= thresholds[query] }
  }
}

struct WaitingRow: Sendable {
  var row: Int32
  var upper: Float

  var run: Int { Int(row) / VectorMatrix.runRows }
}

/// Rows that wait to be scored for one query.
struct WaitingRows: Sendable {
  var query: Int
  var rows: ArraySlice<WaitingRow>
  /// The run of these rows, where they are many.
  var crowdedRun: Int?
}
