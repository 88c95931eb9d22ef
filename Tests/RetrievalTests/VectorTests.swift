// Exact search against the plain loop, and an index that changes under its readers' copies.

import Compute
import Fuzzing
import SearchIndex
import Testing

@testable import Retrieval

@Suite struct VectorTests {
  private func index(_ metric: Metric, dimension: Int) -> CollectionIndex {
    CollectionIndex(collection: 1, generation: 0, metric: metric, dimension: dimension)
  }

  /// Values on a coarse grid, so that many scores are equal.
  private func vectors(_ count: Int, _ dimension: Int, seed: UInt64) -> [[Float]] {
    var random = SeededRandom(seed: seed)
    return (0..<count).map { _ in
      (0..<dimension).map { _ in Float(Int.random(in: -2...2, using: &random)) }
    }
  }

  private func filled(_ metric: Metric, _ rows: [[Float]], documentSize: Int = 3) throws
    -> CollectionIndex
  {
    var index = index(metric, dimension: rows[0].count)
    try index.reserve(rows.count)
    var next: Int64 = 1
    for start in stride(from: 0, to: rows.count, by: documentSize) {
      let part = rows[start..<min(start + documentSize, rows.count)]
      let number = start / documentSize
      index.append(
        IndexChange.Addition(
          rowID: Int64(number), name: "\(number)",
          metadata: ["n": .integer(Int64(number)), "even": .bool(number % 2 == 0)],
          chunks: part.map { vector in
            next += 2
            return IndexChange.Chunk(id: next, vector: vector)
          }))
    }
    return index
  }

  private func naive(_ index: CollectionIndex, _ query: [Float], _ count: Int, _ mask: RowBitmap?)
    -> [ScoredRow]
  {
    let scored = (0..<index.rowCount).filter { mask?[$0] ?? true }.map { row in
      let score = index.similarity.score(query, index.matrix.row(row), index.dimension)
      return ScoredRow(row: row, score: Double(score))
    }
    return Array(
      scored.sorted { ($0.score, $1.row) > ($1.score, $0.row) }.prefix(count))
  }

  @Test(arguments: Metric.allCases, [1, 16, 37, 200])
  func topRowsAreThoseOfThePlainLoop(metric: Metric, dimension: Int) throws {
    let index = try filled(metric, vectors(1111, dimension, seed: UInt64(dimension)))
    let queries = vectors(3, dimension, seed: 99).map(index.similarity.prepared)
    let filters: [Filter?] = [
      nil, .comparison(.eq, key: "even", value: true), .comparison(.lt, key: "n", value: 9),
      .comparison(.eq, key: "n", value: -1),
    ]
    for filter in filters {
      let mask = index.rows(passing: filter)
      for threads in [1, 3] {
        let pool = ThreadPool(threads: threads, niceness: 0)
        let search = VectorSearch(index.matrix, index.similarity, mask: mask, pool: pool)
        for count in [1, 10, 600] {
          let found = search.top(count, for: queries)
          for (query, rows) in zip(queries, found) {
            #expect(rows == naive(index, query, count, mask))
          }
        }
      }
    }
  }

  @Test func scoresAreWhatTheMetricSays() {
    let x: [Float] = [1, 2, 2]
    let y: [Float] = [2, 0, 1]
    func score(_ metric: Metric) -> Float {
      let similarity = Similarity(metric: metric)
      return similarity.score(similarity.prepared(x), similarity.prepared(y), 3)
    }
    #expect(score(.dot) == 4)
    #expect(abs(score(.cosine) - 4 / (3 * Float(5).squareRoot())) < 1e-6)
    #expect(abs(score(.euclidean) + Float(6).squareRoot()) < 1e-6)
  }

  @Test func extremeVectors() {
    let cosine = Similarity(metric: .cosine)
    #expect(cosine.prepared([0, 0]) == [0, 0])
    #expect(cosine.prepared([3e-30, 4e-30]).map { ($0 * 10).rounded() } == [6, 8])
    #expect(Similarity.isUsable([1e18, -1e18]))
    #expect(!Similarity.isUsable([1e25]))
    #expect(!Similarity.isUsable([.nan]) && !Similarity.isUsable([.infinity, 1]))
  }

  @Test func changesFollowAModel() throws {
    var random = SeededRandom(seed: 3)
    var index = index(.dot, dimension: 4)
    var model: [Int64: [[Float]]] = [:]
    var nextChunk: Int64 = 0
    for step in 1...400 {
      var change = IndexChange(collection: index.collection, generation: Int64(step))
      for _ in 0..<Int.random(in: 0...4, using: &random) {
        if let victim = model.keys.sorted().randomElement(using: &random) {
          model[victim] = nil
          change.removed.append(victim)
        }
      }
      for _ in 0..<Int.random(in: 0...4, using: &random) {
        let id = Int64.random(in: 0..<1_000_000, using: &random)
        if model[id] != nil || change.removed.contains(id) { continue }
        let rows = vectors(Int.random(in: 0...40, using: &random), 4, seed: UInt64(nextChunk))
        model[id] = rows
        change.added.append(
          IndexChange.Addition(
            rowID: id, name: "\(id)", metadata: [:],
            chunks: rows.map { row in
              nextChunk += 1
              return IndexChange.Chunk(id: nextChunk, vector: row)
            }))
      }
      let before = index
      let seen = contents(before)
      try index.reserve(change.added.reduce(0) { $0 + $1.chunks.count })
      let words = Array(repeating: "word", count: change.added.reduce(0) { $0 + $1.chunks.count })
      change.words = try index.words.appending(words, language: "en", sharedPool)
      index.apply(change)
      if index.isWorthSweeping { index = try index.swept() }
      #expect(index.words.rowCount == index.rowCount)
      #expect(contents(before) == seen, "a reader's copy stays what it was")
      #expect(contents(index) == model)
      #expect(index.generation == Int64(step))
      #expect(index.liveRowCount == model.values.reduce(0) { $0 + $1.count })
      #expect(zip(index.chunkIDs, index.chunkIDs.dropFirst()).allSatisfy { $0 < $1 })
    }
    #expect(index.rowCount < Int(nextChunk), "dead rows were swept")
  }

  private func contents(_ index: CollectionIndex) -> [Int64: [[Float]]] {
    var contents: [Int64: [[Float]]] = [:]
    for case let document? in (0..<index.documents.slotCount).map({ index.documents[$0] }) {
      contents[document.rowID] = document.rows.map { row in
        Array(UnsafeBufferPointer(start: index.matrix.row(row), count: index.dimension))
      }
      #expect(document.rows.allSatisfy { index.liveRows[$0] })
    }
    return contents
  }
}
