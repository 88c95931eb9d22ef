// `martlet bench retrieve --texts N`: BM25 over invented texts in memory, filtered, and how long it
// takes to make the index.

import Compute
import JSON
import SearchIndex

struct WordBench {
  let count: Int
  let words: Int
  let runs: Int
  let pool: ThreadPool

  private static let topCount = 10

  func run(into report: inout BenchReport) async throws {
    report["texts"] = .integer(Int64(count))
    report["words"] = .integer(Int64(words))
    let texts = BenchText.zipfDocuments(count: count, words: words)
    var index = LexicalIndex()
    let build = try await Timings.measure(runs: 1, warmUps: 0) {
      index = try index.appending(texts, language: "en", pool)
    }
    report["build_seconds"] = .rounded(build.median, 3)
    report["bytes_per_text"] = .rounded(
      Double(index.withSections { $0.reduce(0) { $0 + $1.count } }) / Double(count), 0)
    let queries = BenchText.zipfDocuments(count: max(runs, 100), words: 4)
    report["query_ms"] = milliseconds(queries, index, mask: nil)
    for percent in [50, 10, 1] {
      var mask = RowBitmap(rowCount: count)
      for row in 0..<count { mask[row] = row / 8 * 37 % 100 < percent }
      report["filtered_\(percent)_percent_ms"] = milliseconds(queries, index, mask: mask)
    }
  }

  /// The mean over the queries: those with common words take many times longer than the others.
  private func milliseconds(_ queries: [String], _ index: LexicalIndex, mask: RowBitmap?)
    -> JSONValue
  {
    var seconds = 0.0
    for round in 0..<2 {
      let clock = ContinuousClock()
      let start = clock.now
      for query in queries {
        let search = LexicalSearch(
          LexicalQuery(query, language: "en"), in: index, mask: mask)
        _ = search.top(Self.topCount)
      }
      let (whole, attoseconds) = (clock.now - start).components
      // The first round warms up.
      if round == 1 { seconds = Double(whole) + Double(attoseconds) * 1e-18 }
    }
    return .rounded(seconds * 1000 / Double(queries.count), 3)
  }
}
