// One request for passages: what to look for, where, how to rank and what to leave out.
// `RetrievalRequest+JSON.swift` reads it from the wire.

package enum RetrievalMode: String, Sendable, CaseIterable {
  case hybrid, dense, sparse
}

/// How dense and sparse results become one list.
package enum FusionMethod: String, Sendable, CaseIterable {
  /// Reciprocal rank fusion: the sum of 1 / (60 + rank).
  case rrf
  /// Scores scaled to 0...1 on each side, the dense side with weight 0.6, or less where it doesn't
  /// read the language.
  case minmax
}

/// Maximal marginal relevance: among the `fetchCount` best, prefer those unlike the ones already
/// taken. Lambda 1 is relevance alone, 0 is diversity alone.
package struct MaximalMarginalRelevance: Sendable, Hashable {
  package var lambda = 0.5
  package var fetchCount = 50

  package init(lambda: Double = 0.5, fetchCount: Int = 50) {
    self.lambda = lambda
    self.fetchCount = fetchCount
  }
}

package struct RetrievalRequest: Sendable, Hashable {
  package enum Subject: Sendable, Hashable {
    case query(String)
    /// Up to 64; the answer has one list per query.
    case queries([String])
    case vector([Float])
  }

  package static let maximumQueries = 64
  package static let maximumTopK = 1000

  package var subject: Subject
  /// A text like the one that is looked for (HyDE, arXiv 2212.10496): the first query's vector is the
  /// mean of its own and this text's. Words are still those of the query.
  package var hypothetical: String?
  package var collection = "default"
  package var topK = 4
  /// nil: hybrid for text, dense for a vector.
  package var mode: RetrievalMode?
  package var fusion = FusionMethod.minmax
  package var filter: Filter?
  /// Dense similarity in hybrid and dense mode, BM25 in sparse mode.
  package var minimumScore: Double?
  package var mmr: MaximalMarginalRelevance?
  package var explain = false

  package init(_ subject: Subject) {
    self.subject = subject
  }

  package var effectiveMode: RetrievalMode {
    if case .vector = subject { return mode ?? .dense }
    return mode ?? .hybrid
  }
}
