// One ranking out of two. Reciprocal rank fusion looks at ranks only; min-max fusion scales each
// side's scores to 0...1 over the candidates and adds them with weights.
// Every candidate has a dense score; one without a word of the query has no sparse score.

import SearchIndex

/// A row that may be among the results, with all that is known about it.
struct Candidate: Sendable, Hashable {
  var row: Int
  var dense: Double?
  var sparse: Double?
  /// From 1; nil where the row is not among the best of that side.
  var denseRank: Int?
  var sparseRank: Int?
  var fused: Double?
  /// What it is ranked by.
  var score: Double = 0

  func isBetter(than other: Candidate) -> Bool {
    score > other.score || (score == other.score && row < other.row)
  }
}

enum Fusion {
  static let rankConstant = 60.0

  /// Weights of the dense side: the one measured best where the embedding model reads the language of
  /// the texts, and the one that is left where it doesn't.
  static let denseWeights = 0.2...0.6
  /// Results whose words tell which of the two it is, and from where on they agree.
  private static let agreeingCount = 10
  private static let agreement = 0.7

  /// The dense side's share. A model that reads the language brings chunks that have much of what the
  /// query asks for in words, too; one that doesn't brings any. On English, the BM25 of its best ten is
  /// on average .8 of that of the best ten for words, on Chinese with an English model .07.
  static func denseWeight(denseBest: [Double], sparseBest: [Double]) -> Double {
    let count = min(agreeingCount, denseBest.count, sparseBest.count)
    let wanted = sparseBest.prefix(count).reduce(0, +)
    // Where no chunk has a word of the query, words say nothing about the dense side.
    guard wanted > 0 else { return denseWeights.upperBound }
    let found = denseBest.prefix(count).reduce(0, +)
    let weight = denseWeights.upperBound * found / (wanted * agreement)
    return min(max(weight, denseWeights.lowerBound), denseWeights.upperBound)
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
        row: hit.row, dense: hit.score, sparse: words[hit.row] ?? nil, denseRank: rank + 1)
    }
    for (rank, hit) in sparse.enumerated() {
      var candidate =
        candidates[hit.row] ?? Candidate(row: hit.row, dense: denseScore(hit.row))
      candidate.sparse = hit.score
      candidate.sparseRank = rank + 1
      candidates[hit.row] = candidate
    }
    let union = Array(candidates.values)
    let denseRange = ScoreRange(union.map { $0.dense ?? 0 })
    // A chunk with none of the words is the bottom of the scale.
    let sparseRange = ScoreRange(union.map { $0.sparse ?? 0 })
    let denseWeight = denseWeight(
      denseBest: dense.map { (words[$0.row] ?? nil) ?? 0 }, sparseBest: sparse.map(\.score))
    return union.map { candidate in
      var candidate = candidate
      candidate.score =
        switch method {
        case .rrf: reciprocal(candidate.denseRank) + reciprocal(candidate.sparseRank)
        case .minmax:
          denseWeight * denseRange.scaled(candidate.dense ?? 0)
            + (1 - denseWeight) * sparseRange.scaled(candidate.sparse ?? 0)
        }
      candidate.fused = candidate.score
      return candidate
    }.sorted { $0.isBetter(than: $1) }
  }

  static func reciprocal(_ rank: Int?) -> Double {
    rank.map { 1 / (rankConstant + Double($0)) } ?? 0
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

  /// 0 for the least, 1 for the greatest; 0 where all are the same.
  func scaled(_ score: Double) -> Double {
    greatest > least ? (score - least) / (greatest - least) : 0
  }
}
