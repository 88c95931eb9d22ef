// One ranking out of two. Reciprocal rank fusion looks at ranks only; min-max fusion scales each
// side's scores to 0...1 over the candidates and adds them with weights.
// Every candidate has a dense score; one without a word of the query has no sparse score.

import SearchIndex

/// A row that may be among the results, with all that is known about it.
struct Candidate: Sendable, Hashable {
  var row: Int
  var dense = SideScore()
  var sparse = SideScore()
  var fused: Double?
  /// What it is ranked by.
  var score: Double = 0
  var diversity: Diversity?

  func isBetter(than other: Candidate) -> Bool {
    score > other.score || (score == other.score && row < other.row)
  }
}

/// One side's view of a candidate.
struct SideScore: Sendable, Hashable {
  var score: Double?
  /// From 1; nil where the row is not among the best of that side.
  var rank: Int?
  /// The score on the scale of the candidates, and the side's weight; nil unless fused by them.
  var scaled: Double?
  var weight: Double?
  /// What it adds to the fused score.
  var contribution: Double?
}

enum Fusion {
  static let rankConstant = 60.0

  /// Weight of the dense side where the embedding model reads the language: measured best on English.
  static let denseWeight = 0.6
  /// Results whose words tell how far it does, and the agreement from where on it does.
  private static let agreeingCount = 15
  private static let agreement = 0.65

  /// The dense side's weight for one query. A model that reads the language brings chunks that have
  /// much of what the query asks for in words, too; one that doesn't brings any. On English abstracts
  /// the BM25 of its best is in the median .8 of that of the best for words, on Chinese paragraphs
  /// with an English model .15. The square lets go of a side that brings less than half.
  static func denseWeight(denseBest: [Double], sparseBest: [Double]) -> Double {
    let count = min(agreeingCount, denseBest.count, sparseBest.count)
    let wanted = sparseBest.prefix(count).reduce(0, +)
    // Where no chunk has a word of the query, words say nothing about the dense side.
    guard wanted > 0 else { return denseWeight }
    let found = denseBest.prefix(count).reduce(0, +)
    let share = min(1, found / (wanted * agreement))
    return denseWeight * share * share
  }

  /// Candidates of both lists, fused, the best first. `sparseScores` is asked for ascending rows.
  static func fuse(
    dense: [ScoredRow], sparse: [ScoredRow], method: FusionMethod,
    denseScore: (Int) -> Double, sparseScores: ([Int]) -> [Double?]
  ) -> [Candidate] {
    var candidates: [Int: Candidate] = [:]
    let rows = dense.map(\.row).sorted()
    let words = Dictionary(zip(rows, sparseScores(rows)), uniquingKeysWith: { first, _ in first })
    for (rank, hit) in dense.enumerated() {
      candidates[hit.row] = Candidate(
        row: hit.row, dense: SideScore(score: hit.score, rank: rank + 1),
        sparse: SideScore(score: words[hit.row] ?? nil))
    }
    for (rank, hit) in sparse.enumerated() {
      let known = candidates[hit.row]?.dense ?? SideScore(score: denseScore(hit.row))
      candidates[hit.row] = Candidate(
        row: hit.row, dense: known, sparse: SideScore(score: hit.score, rank: rank + 1))
    }
    var union = Array(candidates.values)
    switch method {
    case .rrf: addReciprocals(to: &union)
    case .minmax:
      let weight = denseWeight(
        denseBest: dense.map { (words[$0.row] ?? nil) ?? 0 }, sparseBest: sparse.map(\.score))
      addScaled(to: &union, denseWeight: weight)
    }
    for index in union.indices {
      let (dense, sparse) = (union[index].dense, union[index].sparse)
      union[index].score = (dense.contribution ?? 0) + (sparse.contribution ?? 0)
      union[index].fused = union[index].score
    }
    return union.sorted { $0.isBetter(than: $1) }
  }

  /// What a rank, from 1, adds (Cormack et al. 2009).
  static func reciprocal(_ rank: Int) -> Double { 1 / (rankConstant + Double(rank)) }

  private static func addReciprocals(to candidates: inout [Candidate]) {
    func add(_ side: WritableKeyPath<Candidate, SideScore>, _ index: Int) {
      let rank = candidates[index][keyPath: side].rank
      candidates[index][keyPath: side].contribution =
        rank.map(reciprocal) ?? 0
    }
    for index in candidates.indices {
      add(\.dense, index)
      add(\.sparse, index)
    }
  }

  private static func addScaled(to candidates: inout [Candidate], denseWeight: Double) {
    let denseRange = ScoreRange(candidates.map { $0.dense.score ?? 0 })
    // A chunk with none of the words is the bottom of the scale.
    let sparseRange = ScoreRange(candidates.map { $0.sparse.score ?? 0 })
    func add(
      _ side: WritableKeyPath<Candidate, SideScore>, _ index: Int, _ scaled: Double,
      _ weight: Double
    ) {
      candidates[index][keyPath: side].scaled = scaled
      candidates[index][keyPath: side].weight = weight
      candidates[index][keyPath: side].contribution = weight * scaled
    }
    for index in candidates.indices {
      let (dense, sparse) = (candidates[index].dense.score, candidates[index].sparse.score)
      add(\.dense, index, denseRange.scaled(dense ?? 0), denseWeight)
      add(\.sparse, index, sparse.map { sparseRange.scaled($0) } ?? 0, 1 - denseWeight)
    }
  }
}

/// Least and greatest of some scores.
struct ScoreRange: Sendable {
  private let least: Double
  private let greatest: Double

  init(_ scores: [Double]) {
    least = scores.min() ?? 0
    greatest = scores.max() ?? 0
  }

  /// 0 for the least, 1 for the greatest; 1 where all are the same, since none is better.
  func scaled(_ score: Double) -> Double {
    greatest > least ? (score - least) / (greatest - least) : 1
  }
}
