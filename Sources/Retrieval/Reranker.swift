// What retrieval needs of a reranking model: a score for each of some passages, read together with the
// query. Relies on whoever composes the server to adapt the model that it loaded.

package protocol Reranker: Sendable {
  var name: String { get }

  /// One finite score per passage, in order; higher for what answers the query better.
  func scores(query: String, passages: [String]) async throws -> [Double]
}
