// How good rankings are against judgments, as trec_eval computes it: recall, nDCG with linear gain,
// reciprocal rank and average precision, averaged over the queries that have a relevant document.
// Documents without a judgment count as irrelevant.

import Glibc

/// Documents' gains by id; more than 0 is relevant.
package typealias Judgments = [String: Int]

package struct RankingMetrics: Sendable, Hashable {
  /// Queries that were counted.
  package private(set) var queryCount = 0
  private var sums = [0.0, 0.0, 0.0, 0.0]

  package let depth: Int
  package static let gainDepth = 10

  /// - Parameter depth: results that recall, reciprocal rank and average precision look at.
  package init(depth: Int) { self.depth = depth }

  /// The share of relevant documents among the first `depth`.
  package var recall: Double { mean(0) }
  package var gain: Double { mean(1) }
  package var reciprocalRank: Double { mean(2) }
  package var averagePrecision: Double { mean(3) }

  private func mean(_ index: Int) -> Double {
    queryCount > 0 ? sums[index] / Double(queryCount) : 0
  }

  /// One query's ranking, best first.
  package mutating func add(_ ranking: [String], _ judgments: Judgments) {
    let relevantCount = judgments.values.count { $0 > 0 }
    guard relevantCount > 0 else { return }
    queryCount += 1
    var found = 0
    var precisions = 0.0
    for (index, document) in ranking.prefix(depth).enumerated()
    where judgments[document] ?? 0 > 0 {
      if found == 0 { sums[2] += 1 / Double(index + 1) }
      found += 1
      precisions += Double(found) / Double(index + 1)
    }
    sums[0] += Double(found) / Double(relevantCount)
    let gains = ranking.prefix(Self.gainDepth).map { max(0, judgments[$0] ?? 0) }
    let ideal = judgments.values.map { max(0, $0) }.sorted(by: >).prefix(Self.gainDepth)
    sums[1] += Self.discounted(gains) / Self.discounted(Array(ideal))
    sums[3] += precisions / Double(relevantCount)
  }

  private static func discounted(_ gains: [Int]) -> Double {
    gains.enumerated().reduce(0) { $0 + Double($1.element) / log2(Double($1.offset + 2)) }
  }
}
