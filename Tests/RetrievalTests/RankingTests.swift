// Fusion and diversity as formulas.

import SearchIndex
import Testing

@testable import Retrieval

@Suite struct RankingTests {
  private func rows(_ pairs: [(Int, Double)]) -> [ScoredRow] {
    pairs.map { ScoredRow(row: $0.0, score: $0.1) }
  }

  private func fuse(_ method: FusionMethod) -> [Candidate] {
    let dense: [Int: Double] = [1: 0.9, 2: 0.8, 3: 0.1]
    let sparse: [Int: Double] = [2: 5, 3: 10]
    return Fusion.fuse(
      dense: rows([(1, 0.9), (2, 0.8)]), sparse: rows([(3, 10), (2, 5)]), method: method,
      denseScore: { dense[$0] ?? 0 }, sparseScores: { $0.map { sparse[$0] } })
  }

  @Test func reciprocalRanks() {
    let fused = fuse(.rrf)
    #expect(fused.map(\.row) == [2, 1, 3])
    #expect(fused[0].score == 1 / 62.0 + 1 / 62.0)
    #expect(fused[1].score == 1 / 61.0 && fused[2].score == 1 / 61.0)
    #expect(fused[1].dense.rank == 1)
    #expect(fused[1].sparse.rank == nil && fused[1].sparse.score == nil)
    #expect(fused[2].dense.score == 0.1 && fused[2].sparse.score == 10)
    #expect(fused.allSatisfy { $0.fused == $0.score && $0.dense.weight == nil })
  }

  @Test func scaledScores() {
    let fused = fuse(.minmax)
    // Of the words' 15, the two dense results have 5.
    let share = 5 / (15 * 0.65)
    let weight = 0.6 * share * share
    let expected: [Int: Double] = [
      1: weight, 2: weight * (0.7 / 0.8) + (1 - weight) * 0.5, 3: 1 - weight,
    ]
    #expect(fused.map(\.row) == [3, 2, 1])
    for candidate in fused {
      #expect(abs(candidate.score - (expected[candidate.row] ?? -1)) < 1e-12)
      let (dense, sparse) = (candidate.dense, candidate.sparse)
      #expect(dense.contribution == weight * (dense.scaled ?? -1) && dense.weight == weight)
      #expect(sparse.contribution == (1 - weight) * (sparse.scaled ?? -1))
      #expect(candidate.score == (dense.contribution ?? 0) + (sparse.contribution ?? 0))
    }
  }

  /// One value has no scale of its own: it is the best that its side has.
  @Test func aResultByItselfIsTheBestOfItsSides() {
    func score(sparse: [ScoredRow]) -> Double? {
      Fusion.fuse(
        dense: rows([(7, -0.2)]), sparse: sparse, method: .minmax, denseScore: { _ in -0.2 },
        sparseScores: { $0.map { _ in sparse.first?.score } }
      ).first?.score
    }
    #expect(score(sparse: rows([(7, 3)])) == 1)
    #expect(score(sparse: []) == 0.6)
  }

  @Test func theDenseSideCountsAsFarAsItReadsTheLanguage() {
    func weight(_ dense: [Double], _ sparse: [Double]) -> Double {
      Fusion.denseWeight(denseBest: dense, sparseBest: sparse)
    }
    #expect(weight([9, 7, 8], [9, 8, 7]) == 0.6)
    #expect(weight([0, 0, 0], [9, 8, 7]) == 0)
    let share = 4.0 / (8 * 0.65)
    #expect(abs(weight([4, 0], [6, 2]) - 0.6 * share * share) < 1e-12)
    #expect(weight([0, 0], []) == 0.6 && weight([], [1]) == 0.6)
    let tail = [Double](repeating: 5, count: 90)
    #expect(weight([Double](repeating: 0, count: 15) + tail, tail) == 0, "only the best count")
  }

  @Test func nothingFusesToNothing() {
    for method in FusionMethod.allCases {
      #expect(
        Fusion.fuse(
          dense: [], sparse: [], method: method, denseScore: { _ in 0 },
          sparseScores: { $0.map { _ in nil } }
        ).isEmpty)
    }
    let same = Fusion.fuse(
      dense: rows([(4, 0.5), (2, 0.5)]), sparse: [], method: .minmax, denseScore: { _ in 0 },
      sparseScores: { $0.map { _ in nil } })
    #expect(same.map(\.row) == [2, 4], "equals are ordered by row")
    #expect(same.map(\.score) == [0.6, 0.6])
  }

  @Test func diversity() {
    let candidates = (0..<4).map { Candidate(row: $0) }
    // 0 and 1 say the same; 2 is another thing; 3 hardly matters.
    let likeness = { (a: Candidate, b: Candidate) in a.row + b.row == 1 ? 0.99 : 0.1 }
    let relevance = [0.9, 0.89, 0.7, 0.1]
    func taken(_ lambda: Double) -> [Int] {
      MaximalMarginalRelevance(lambda: lambda, fetchCount: 4)
        .select(3, of: candidates, relevance: relevance, likeness: likeness).map(\.row)
    }
    #expect(taken(1) == [0, 1, 2])
    #expect(taken(0.5) == [0, 2, 3])
    let first = MaximalMarginalRelevance(lambda: 0.5)
      .select(2, of: candidates, relevance: relevance, likeness: likeness)
    #expect(first[0].diversity == Diversity(relevance: 0.9, likeness: 0))
    #expect(first[1].diversity == Diversity(relevance: 0.7, likeness: 0.1))
    #expect(
      MaximalMarginalRelevance().select(5, of: [], relevance: [], likeness: likeness).isEmpty)
  }

  @Test func repetitionsAreLeftOut() {
    let candidates = (0..<6).map { Candidate(row: $0) }
    // Documents of two chunks each; 0 and 3 say the same.
    let likeness = { (a: Candidate, b: Candidate) in
      Set([a.row, b.row]) == [0, 3] ? 0.95 : 0.1
    }
    func first(_ count: Int, similarity: Double?, perDocument: Int?) -> [Int] {
      RepetitionFilter(
        deduplication: similarity.map { Deduplication(similarity: $0) },
        maximumPerDocument: perDocument
      ).first(count, of: candidates, document: { $0.row / 2 }, likeness: likeness).map(\.row)
    }
    #expect(first(4, similarity: nil, perDocument: nil) == [0, 1, 2, 3])
    #expect(first(9, similarity: 0.95, perDocument: nil) == [0, 1, 2, 4, 5])
    #expect(first(9, similarity: 0.96, perDocument: nil).count == 6)
    #expect(first(9, similarity: nil, perDocument: 1) == [0, 2, 4])
    #expect(first(2, similarity: 0.95, perDocument: 1) == [0, 2])
  }

  @Test func noMoreIsLookedForWhereNoMoreCanBeTaken() {
    func canTake(_ count: Int, perDocument: Int?, _ rowCounts: [Int]) -> Bool {
      RepetitionFilter(deduplication: nil, maximumPerDocument: perDocument)
        .canTake(moreThan: count, ofDocumentsWith: rowCounts)
    }
    #expect(canTake(2, perDocument: 1, [500, 1, 500]))
    #expect(!canTake(3, perDocument: 1, [500, 1, 500]))
    #expect(canTake(4, perDocument: 2, [500, 1, 500]))
    #expect(!canTake(5, perDocument: 2, [500, 1, 500]))
    #expect(canTake(1000, perDocument: nil, [500, 1, 500]))
    #expect(!canTake(1001, perDocument: nil, [500, 1, 500]))
    #expect(!canTake(0, perDocument: 1, []))
  }

  @Test(arguments: [
    (100, 1_000_000, [800, 6400, 10_000]), (4000, 1_000_000, [10_000]), (12_000, 1_000_000, []),
    (100, 3000, [800, 3000]), (100, 100, []), (100, 7, []), (100, 0, []),
  ]) func searchesLookOnlySoFarDown(first: Int, rowCount: Int, expected: [Int]) {
    var depths: [Int] = []
    while let depth = PassageSearch.depth(after: depths.last ?? first, rowCount: rowCount) {
      depths.append(depth)
    }
    #expect(depths == expected)
  }
}
