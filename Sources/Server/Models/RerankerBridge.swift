// Lets Retrieval rerank with the loaded reranking model; the two targets don't know each other.

import Inference
import Retrieval

struct RerankerBridge: Reranker {
  let reranker: TextReranker

  var name: String { reranker.name }

  func scores(query: String, passages: [String]) async throws -> [Double] {
    try await reranker.scores(query: query, texts: passages).scores.map(Double.init)
  }
}
