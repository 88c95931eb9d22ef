// Lets Retrieval embed with the loaded embedding model; the two targets don't know each other.

import Inference
import Retrieval

struct EmbedderBridge: Embedder {
  let embedder: TextEmbedder

  var identity: EmbedderIdentity {
    EmbedderIdentity(
      name: embedder.name, dimension: embedder.dimension, maximumTokens: embedder.maximumTokens,
      weightHash: embedder.weightHash)
  }

  func embed(_ texts: [String]) async throws -> [EmbeddedText] {
    let batch = try await embedder.embed(texts)
    return texts.indices.map {
      EmbeddedText(
        vector: batch.vectors[$0], tokenCount: batch.tokenCounts[$0],
        truncated: batch.truncated[$0])
    }
  }

  func tokenCount(_ text: String) -> Int { embedder.tokenCount(text) }
}
