// What a text encoder is made of, and what its tensors are called: filled in by its family.

struct TextEncoderConfiguration: Sendable, Hashable {
  var vocabularySize: Int
  var hiddenSize: Int
  var intermediateSize: Int
  var headCount: Int
  var epsilon: Float
  /// In order.
  var layers: [Layer]
  var positions: Positions
  /// Rotary embeddings that layers choose from; empty without.
  var rotary: [RotaryEmbedding] = []
  /// Rows of the table of token types; 0: none.
  var typeCount = 0
  /// Tokens of one text at most, special ones included.
  var maximumTokens: Int
  /// Buckets of position biases in attention; 0: none.
  var positionBuckets = 0
  var norm = NormPlacement.after
  var feedForward = FeedForwardKind.plainGelu
  var attentionBias = true
  var feedForwardBias = true
  var normBias = true

  var headDimension: Int { hiddenSize / headCount }

  struct Layer: Sendable, Hashable {
    /// Index of its rotary embedding.
    var rotation = 0
    /// Positions to either side that a token sees; nil: all.
    var reach: Int?
  }

  enum Positions: Sendable, Hashable {
    /// A table of `count` rows. Where padding has an id, tokens take the rows behind the one of that
    /// number.
    case learnt(count: Int, paddingID: Int32?)
    case none
  }

  /// Where norms are with respect to residual sums; those before them have one at the end, too, and
  /// none in front of the first attention.
  enum NormPlacement: Sendable, Hashable { case after, before }

  enum FeedForwardKind: Sendable, Hashable { case plainGelu, gatedGelu, gatedSilu }
}

struct EncoderTensorNames: Sendable {
  /// In front of every name of a checkpoint whose model has a head on top.
  var prefix: String
  var words: String
  var positions = ""
  var types = ""
  var embeddingNorm: String
  /// In front of a layer's index.
  var layers: String
  var attention: Attention
  var attentionOutput, attentionNorm: String
  var feedForward: FeedForward
  var down, outputNorm: String
  var finalNorm = ""
  var positionBuckets = ""

  enum Attention: Sendable {
    case separate(query: String, key: String, value: String)
    /// One below the other.
    case fused(String)
  }

  enum FeedForward: Sendable {
    case plain(String)
    case gated(gate: String, up: String)
    /// The gate's rows above.
    case fused(String)
  }
}
