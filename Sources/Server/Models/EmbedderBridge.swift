// Lets Retrieval embed with the loaded embedding model; the two targets don't know each other.

import Inference
import Retrieval
import SearchIndex

struct EmbedderBridge: Embedder {
  let embedder: TextEmbedder

  var identity: EmbedderIdentity {
    EmbedderIdentity(
      name: embedder.name, dimension: embedder.dimension, maximumTokens: embedder.maximumTokens,
      weightHash: embedder.weightHash)
  }

  var prompts: EmbeddingPrompts {
    EmbeddingPrompts(query: embedder.prompts.query, passage: embedder.prompts.passage)
  }

  /// Of what sentence-transformers has, Manhattan distance is none of ours.
  var metric: Metric? { embedder.prompts.similarity.flatMap { Metric(rawValue: $0) } }

  func embed(_ texts: [String], prompt: String) async throws -> [EmbeddedText] {
    let batch = try await embedder.embed(texts, prompt: prompt)
    return texts.indices.map {
      EmbeddedText(
        vector: batch.vectors[$0], tokenCount: batch.tokenCounts[$0],
        truncated: batch.truncated[$0])
    }
  }

  func tokenCount(_ text: String) -> Int { embedder.tokenCount(text) }
}
