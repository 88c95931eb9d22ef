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

/// A field of the metadata whose words count as well: its BM25 times the weight is added to that of
/// the text.
package struct FieldBoost: Sendable, Hashable {
  /// As in filters.
  package var key: String
  package var weight: Double

  package init(key: String, weight: Double) {
    self.key = key
    self.weight = weight
  }
}

/// What is left out for being said already.
package struct Deduplication: Sendable, Hashable {
  /// Cosine to a better result from which on a chunk says the same.
  package var similarity = 0.98

  package init(similarity: Double = 0.98) { self.similarity = similarity }
}

/// What is answered of the text around a chunk.
package struct Expansion: Sendable, Hashable {
  package enum Extent: String, Sendable, CaseIterable {
    /// The chunks before and after it.
    case chunks
    /// From the heading above it to the next one of its level or higher; in a text without headings
    /// the paragraphs that it is in.
    case section
    case document
  }

  package var extent = Extent.chunks
  /// Chunks on each side.
  package var count = 1
  /// Unicode scalars of the context, unless the chunk itself has more.
  package var maximumSize = 4000

  package init(_ extent: Extent = .chunks, count: Int = 1, maximumSize: Int = 4000) {
    self.extent = extent
    self.count = count
    self.maximumSize = maximumSize
  }
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
  package static let maximumBoosts = 8

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
  /// Dense similarity in hybrid and dense mode, BM25 in sparse mode; with `rerank` the reranking
  /// model's score.
  package var minimumScore: Double?
  /// For hybrid and sparse mode.
  package var boosts: [FieldBoost] = []
  package var mmr: MaximalMarginalRelevance?
  package var deduplication: Deduplication?
  /// Results of the same document.
  package var maximumPerDocument: Int?
  package var expansion: Expansion?
  package var rerank: Reranking?
  package var explain = false

  package init(_ subject: Subject) {
    self.subject = subject
  }

  package var effectiveMode: RetrievalMode {
    if case .vector = subject { return mode ?? .dense }
    return mode ?? .hybrid
  }
}
