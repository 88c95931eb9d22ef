// What a causal language model is made of, free of any family's vocabulary: sizes, and one enum
// per choice. Families translate their config.json into this; layers are built from nothing else.
// Relies on a family having checked all sizes against `SizeLimits`.

package struct CausalLMConfiguration: Sendable, Hashable {
  /// As config.json names it, for display.
  package var architecture: String
  package var vocabularySize: Int
  /// Tokens of one sequence at most, prompt and output together.
  package var contextLength: Int
  package var layerCount: Int
  package var hiddenSize: Int
  package var intermediateSize: Int
  package var headCount: Int
  package var keyValueHeadCount: Int
  package var headDimension: Int
  package var normalization: Normalization
  package var rotary: RotaryEmbedding
  package var feedForward: FeedForwardKind
  /// What query-key products are multiplied with.
  package var attentionScale: Float
  package var attentionBias: Bool
  package var feedForwardBias: Bool
  /// The output head is the embedding matrix.
  package var tiedEmbeddings: Bool
  package var bosTokenID: Int32?
  /// Tokens that end a sequence.
  package var eosTokenIDs: [Int32]
  package var generationDefaults: GenerationDefaults

  package enum Normalization: Sendable, Hashable {
    case rms(epsilon: Float)
  }

  package enum FeedForwardKind: Sendable, Hashable {
    /// down(activation(gate(x)) * up(x))
    case gated(Activation)
  }

  package enum Activation: String, Sendable, Hashable, CaseIterable {
    case silu
  }

  /// Width of the queries of one token: H * d.
  var queryWidth: Int { headCount * headDimension }
  /// Width of the keys (or values) of one token: K * d.
  var keyValueWidth: Int { keyValueHeadCount * headDimension }
}
