// Ranking what a search found by a reranking model. Texts are read outside of any transaction: results
// hold them already.

import JSON

extension DocumentStore {
  /// The model that a request asks for.
  func requireReranker(_ reranking: Reranking) throws(RetrievalError) -> any Reranker {
    guard let reranker else { throw .rerankModelMissing }
    if let name = reranking.model, name != reranker.name {
      throw .invalidRequest(
        field: "rerank.model",
        message: "\"\(name)\" is not loaded; the server runs \"\(reranker.name)\"")
    }
    return reranker
  }

  /// The chunks in the order of the model's scores, equals as they came: at most `count`, none below
  /// `minimumScore`.
  package func reranked(
    _ chunks: [RetrievedChunk], for query: String, by reranking: Reranking, count: Int,
    minimumScore: Double? = nil
  ) async throws -> [RetrievedChunk] {
    let reranker = try requireReranker(reranking)
    let candidates = chunks.prefix(reranking.candidates)
    let scores = try await reranker.scores(query: query, passages: candidates.map(\.text))
    guard scores.count == candidates.count, scores.allSatisfy(\.isFinite) else {
      throw RetrievalError.invalidEmbedding(
        message: "the reranking model gave \(scores.count) scores for \(candidates.count) texts")
    }
    let order = scores.indices.filter { scores[$0] >= minimumScore ?? -.infinity }
      .sorted { (scores[$1], $0) < (scores[$0], $1) }
    return order.prefix(count).map { place in
      var chunk = candidates[place]
      chunk.score = scores[place]
      chunk.scores.rerank = scores[place]
      if var explanation = chunk.explanation?.object {
        explanation["rerank"] = [
          "rank": .integer(Int64(place + 1)), "score": .double(scores[place]),
        ]
        chunk.explanation = .object(explanation)
      }
      return chunk
    }
  }
}
