// `martlet bench retrieve --vectors N`: exact search over random unit vectors in memory, alone and in
// batches, filtered, and from a snapshot; every answer is compared with the plain loop's.

import Compute
import FoundationEssentials
import JSON
import SearchIndex

struct VectorBench {
  let count: Int
  let dimension: Int
  let queryCount: Int
  let runs: Int
  let pool: ThreadPool

  private static let topCount = 10
  private let similarity = Similarity(metric: .cosine)

  func run(into report: inout BenchReport) async throws {
    report["vectors"] = .integer(Int64(count))
    report["dimension"] = .integer(Int64(dimension))
    var matrix = VectorMatrix(dimension: dimension)
    let build = try await Timings.measure(runs: 1, warmUps: 0) { try fill(&matrix) }
    report["vectors_per_second_added"] = .rounded(Double(count) / build.median, 0)
    report["bytes_per_vector"] = .rounded(Double(matrix.byteCount) / Double(count), 0)
    let queries = (0..<max(1, queryCount)).map { vector(UInt64(count + $0)) }
    await search(matrix, queries, into: &report)
    report["plain_loop_agrees"] = .bool(agrees(matrix, queries))
    try await open(matrix, queries, into: &report)
  }

  /// Single queries with and without a filter in turn, so that what else the machine does hits all
  /// alike; then batches.
  private func search(
    _ matrix: VectorMatrix, _ queries: [[Float]], into report: inout BenchReport
  ) async {
    let shares = [100, 50, 10, 1]
    let searches = shares.map { share in
      VectorSearch(matrix, similarity, mask: share < 100 ? mask(share) : nil, pool: pool)
    }
    var timings = shares.map { _ in Timings() }
    for run in 0...runs {
      for (place, search) in searches.enumerated() {
        let timing = await Timings.measure(runs: 1, warmUps: 0) {
          _ = search.top(Self.topCount, for: [queries[run % queries.count]])
        }
        if run > 0 { timings[place] += timing }
      }
    }
    for (share, timings) in zip(shares, timings) {
      let name = share == 100 ? "query_ms" : "filtered_\(share)_percent_ms"
      report[name] = .rounded(timings.median * 1000, 3)
    }
    let batch = await Timings.measure(runs: max(3, runs / 4)) {
      _ = searches[0].top(Self.topCount, for: queries)
    }
    report["batch"] = .integer(Int64(queries.count))
    report["batch_ms_per_query"] = .rounded(batch.median * 1000 / Double(queries.count), 3)
  }

  private func agrees(_ matrix: VectorMatrix, _ queries: [[Float]]) -> Bool {
    let search = VectorSearch(matrix, similarity, mask: nil, pool: pool)
    return queries.prefix(8).allSatisfy { query in
      var best = TopRows(capacity: Self.topCount)
      for row in 0..<matrix.count {
        best.insert(ScoredRow(row: row, score: search.score(query, row: row)))
      }
      return search.top(Self.topCount, for: [query])[0] == best.sorted
    }
  }

  /// Seconds until the first answer from a snapshot that is in the page cache.
  private func open(
    _ matrix: VectorMatrix, _ queries: [[Float]], into report: inout BenchReport
  ) async throws {
    let path =
      FileManager.default.temporaryDirectory.path
      + "/martlet-bench-\(UInt32.random(in: 0 ... .max)).vectors"
    defer { try? FileManager.default.removeItem(atPath: path) }
    guard matrix.withSections({ SnapshotFile.write($0, identity: "bench", to: path, pool) }) else {
      return
    }
    let expected = VectorSearch(matrix, similarity, mask: nil, pool: pool)
      .top(Self.topCount, for: [queries[0]])
    var isSame = false
    let opening = await Timings.measure(runs: 3, warmUps: 0) {
      guard let file = SnapshotFile(path: path, identity: "bench", pool: pool),
        let opened = VectorMatrix(
          file, firstSection: 0, count: count, dimension: dimension, pool: pool)
      else { return }
      let search = VectorSearch(opened, similarity, mask: nil, pool: pool)
      isSame = search.top(Self.topCount, for: [queries[0]]) == expected
    }
    report["open_ms"] = .rounded(opening.median * 1000)
    report["opened_agrees"] = .bool(isSame)
  }

  // MARK: Vectors

  private func fill(_ matrix: inout VectorMatrix) throws {
    try matrix.reserve(count)
    for number in 0..<count {
      vector(UInt64(number)).withUnsafeBufferPointer { matrix.append($0) }
    }
  }

  /// Of length 1, the same for the same number.
  private func vector(_ number: UInt64) -> [Float] {
    var state = (number &+ 1) &* 0x9e37_79b9_7f4a_7c15
    return similarity.prepared(
      (0..<dimension).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        // Two numbers added come closer to a normal distribution than one.
        let (high, low) = (
          Int16(truncatingIfNeeded: state >> 48), Int16(truncatingIfNeeded: state >> 32)
        )
        return Float(high) + Float(low)
      })
  }

  /// Rows in short runs, as the chunks of documents are.
  private func mask(_ percent: Int) -> RowBitmap {
    var mask = RowBitmap(rowCount: count)
    for row in 0..<count {
      mask[row] = UInt32(truncatingIfNeeded: (row / 8 &+ 1) &* 2_654_435_761) >> 8 % 100 < percent
    }
    return mask
  }
}
