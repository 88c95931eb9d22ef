// What a causal language model is made of, free of any family's vocabulary: sizes, and one option
// per choice. Families translate their config.json into this; layers are built from nothing else.
// Relies on a family having checked all sizes against `SizeLimits`.

package import Checkpoints

package struct CausalLMConfiguration: Sendable, Hashable {
  /// As config.json names it, for display.
  package var architecture: String
  package var vocabularySize: Int
  /// Tokens of one sequence at most, prompt and output together.
  package var contextLength: Int
  package var hiddenSize: Int
  package var intermediateSize: Int
  package var headCount: Int
  package var keyValueHeadCount: Int
  package var headDimension: Int
  package var layers: [Layer]

  // Before, between and after the layers.
  package var normalization: Normalization
  package var normPlacement: NormPlacement = .before
  package var residual: Residual = .sequential
  /// What attention and feed-forward add is multiplied with.
  package var residualScale: Float = 1
  package var embeddingScale: Float = 1
  /// An adapter's virtual embeddings are multiplied with it, too: transformers' code scales what goes
  /// into the layers, not what it looks up.
  package var scalesVirtualEmbeddings = false
  package var logitScale: Float = 1
  /// Logits x become cap * tanh(x / cap).
  package var logitSoftCap: Float?
  /// The output head is the embedding matrix.
  package var tiedEmbeddings: Bool

  // Attention.
  /// What layers choose from by index.
  package var rotary: [RotaryEmbedding]
  /// Rows of a table of learnt positions, which are added to the embeddings.
  package var learntPositionCount: Int?
  /// A slope per head, times the distance of the key, is added to scores (ALiBi).
  package var scoreSlopes: [Float]?
  package var queryKeyNorm: QueryKeyNorm?
  /// What query-key products are multiplied with.
  package var attentionScale: Float
  /// Scores x become cap * tanh(x / cap).
  package var attentionSoftCap: Float?
  package var queryKeyValueBias = false
  package var attentionOutputBias = false

  // Feed-forward.
  package var feedForward: FeedForwardKind
  package var feedForwardBias = false
  /// Of layers that have experts.
  package var experts: Experts?

  package var bosTokenID: Int32?
  /// Tokens that end a sequence.
  package var eosTokenIDs: [Int32]
  package var generationDefaults = GenerationDefaults()

  /// What differs from layer to layer.
  package struct Layer: Sendable, Hashable {
    /// A token sees itself and the `window - 1` tokens before it; nil for all.
    package var window: Int?
    /// Index of the layer's rotary embedding; nil for none.
    package var rotary: Int?
    package var hasExperts = false

    package init(window: Int? = nil, rotary: Int? = 0, hasExperts: Bool = false) {
      self.window = window
      self.rotary = rotary
      self.hasExperts = hasExperts
    }
  }

  package enum Normalization: Sendable, Hashable {
    /// By root mean square; `offset` is added to the stored weights.
    case rms(epsilon: Float, offset: Float = 0)
    /// By mean and variance.
    case layer(epsilon: Float, bias: Bool = true)
  }

  /// Where a layer's norms are: of what attention and feed-forward read, of what they add, or both.
  package enum NormPlacement: Sendable, Hashable { case before, after, around }

  package enum Residual: Sendable, Hashable {
    case sequential
    /// Attention and feed-forward read the same activations, each through its own norm.
    case parallel
    /// The same through one norm.
    case parallelWithOneNorm
  }

  package enum QueryKeyNorm: Sendable, Hashable {
    case perHead
    /// Over all heads together.
    case whole
  }

  package enum FeedForwardKind: Sendable, Hashable {
    /// down(activation(gate(x)) * up(x))
    case gated(Activation)
    /// down(activation(up(x)))
    case plain(Activation)
  }

  package enum Activation: Sendable, Hashable {
    case silu, gelu
    /// gelu by its approximation with tanh.
    case geluTanh
  }

  /// Feed-forward by a few of many gated networks, which a router chooses for each token.
  package struct Experts: Sendable, Hashable {
    package var count: Int
    package var countPerToken: Int
    package var intermediateSize: Int
    /// The chosen experts' weights are made to add up to one.
    package var normalizesWeights: Bool
    /// Of a network that every token goes through besides, weighted by a gate of its own.
    package var sharedIntermediateSize: Int?
  }

  package var layerCount: Int { layers.count }
  /// Width of the queries of one token: H * d.
  package var queryWidth: Int { headCount * headDimension }
  /// Width of the keys (or values) of one token: K * d.
  package var keyValueWidth: Int { keyValueHeadCount * headDimension }
}
