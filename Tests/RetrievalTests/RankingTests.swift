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
    #expect(fused[1].denseRank == 1 && fused[1].sparseRank == nil && fused[1].sparse == nil)
    #expect(fused[2].dense == 0.1 && fused[2].sparse == 10)
    #expect(fused.allSatisfy { $0.fused == $0.score })
  }

  @Test func scaledScores() {
    let fused = fuse(.minmax)
    // Of the words' 15, the two dense results have 5: weight .6 * (5 / 15) / .7.
    let weight = 0.2 / 0.7
    let expected: [Int: Double] = [
      1: weight, 2: weight * (0.7 / 0.8) + (1 - weight) * 0.5, 3: 1 - weight,
    ]
    #expect(fused.map(\.row) == [3, 2, 1])
    for candidate in fused {
      #expect(abs(candidate.score - (expected[candidate.row] ?? -1)) < 1e-12)
    }
  }

  @Test func theDenseSideCountsAsFarAsItReadsTheLanguage() {
    func weight(_ dense: [Double], _ sparse: [Double]) -> Double {
      Fusion.denseWeight(denseBest: dense, sparseBest: sparse)
    }
    #expect(weight([9, 7, 8], [9, 8, 7]) == 0.6)
    #expect(weight([0, 0, 0], [9, 8, 7]) == 0.2)
    #expect(abs(weight([4, 0], [6, 2]) - 0.6 * (4.0 / 8) / 0.7) < 1e-12)
    #expect(weight([0, 0], []) == 0.6 && weight([], [1]) == 0.6)
    let tail = [Double](repeating: 5, count: 90)
    #expect(weight([Double](repeating: 0, count: 10) + tail, tail) == 0.2, "only the best count")
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
    #expect(
      MaximalMarginalRelevance().select(5, of: [], relevance: [], likeness: likeness).isEmpty)
  }
}
