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
    let shares = [100, 50, 10, 1]
    let masks = shares.map { share -> RowBitmap? in
      guard share < 100 else { return nil }
      var mask = RowBitmap(rowCount: count)
      for row in 0..<count { mask[row] = row / 8 * 37 % 100 < share }
      return mask
    }
    // In turn, so that what else the machine does hits all alike; the first round warms up.
    var timings = shares.map { _ in Timings() }
    for round in 0...5 {
      for (place, mask) in masks.enumerated() {
        let timing = await Timings.measure(runs: 1, warmUps: 0) { search(queries, index, mask) }
        if round > 0 { timings[place] += timing }
      }
    }
    for (share, timings) in zip(shares, timings) {
      let name = share == 100 ? "query_ms" : "filtered_\(share)_percent_ms"
      report[name] = .rounded(timings.median * 1000 / Double(queries.count), 3)
    }
  }

  /// Times of all queries are what counts: those with common words take many times longer than others.
  private func search(_ queries: [String], _ index: LexicalIndex, _ mask: RowBitmap?) {
    for query in queries {
      _ = LexicalSearch(LexicalQuery(query, language: "en"), in: index, mask: mask)
        .top(Self.topCount)
    }
  }
}
