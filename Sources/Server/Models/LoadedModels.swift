// The models in memory, as endpoints see them.

import Checkpoints
import Inference
import Tokenizers
import Transformer

/// A language model that chats and completes.
struct ChatModel: Sendable {
  /// The adapter's name where the model is asked for with one.
  var id: String
  /// Unix seconds.
  let created: Int
  let tokenizer: Tokenizer
  /// nil: the model ships none, so `/chat` can't render a conversation.
  let template: ChatTemplate?
  let engine: InferenceEngine
  let defaults: GenerationDefaults
  /// Tokens per sequence as the engine admits them.
  var contextLength: Int
  let vocabularySize: Int
  /// What the next start would be quicker with; nil where the cache holds it or is switched off.
  let unsavedWeights: UnsavedWeights?
  /// What adapters are loaded for; nil: none can be.
  var model: CausalLM?
  /// Applied to every request to this model; nil for the model as it is.
  var adapter: LoadedAdapter?
}

/// A model that scores texts for a query.
struct RerankModel: Sendable {
  let id: String
  let created: Int
  let reranker: TextReranker
}

/// A model that embeds text.
struct EmbeddingModel: Sendable {
  let id: String
  let created: Int
  let embedder: TextEmbedder
}
