// What a text encoder is made of, and what its tensors are called: filled in by its family.

package struct TextEncoderConfiguration: Sendable, Hashable {
  package var vocabularySize: Int
  package var hiddenSize: Int
  package var intermediateSize: Int
  package var headCount: Int
  package var epsilon: Float
  /// In order.
  package var layers: [Layer]
  package var positions: Positions
  /// Rotary embeddings that layers choose from; empty without.
  package var rotary: [RotaryEmbedding] = []
  /// Rows of the table of token types; 0: none.
  package var typeCount = 0
  /// Tokens of one text at most, special ones included.
  package var maximumTokens: Int
  /// Buckets of position biases in attention; 0: none.
  package var positionBuckets = 0
  package var norm = NormPlacement.after
  package var feedForward = FeedForwardKind.plainGelu
  package var attentionBias = true
  package var feedForwardBias = true
  package var normBias = true

  package var headDimension: Int { hiddenSize / headCount }

  package struct Layer: Sendable, Hashable {
    /// Index of its rotary embedding.
    package var rotation = 0
    /// Positions to either side that a token sees; nil: all.
    package var reach: Int?
  }

  package enum Positions: Sendable, Hashable {
    /// A table of `count` rows. Where padding has an id, tokens take the rows behind the one of that
    /// number.
    case learnt(count: Int, paddingID: Int32?)
    case none
  }

  /// Where norms are with respect to residual sums; those before them have one at the end, too, and
  /// none in front of the first attention.
  package enum NormPlacement: Sendable, Hashable { case after, before }

  package enum FeedForwardKind: Sendable, Hashable { case plainGelu, gatedGelu, gatedSilu }
}

package struct EncoderTensorNames: Sendable {
  /// In front of every name of a checkpoint whose model has a head on top.
  package var prefix: String
  package var words: String
  package var positions = ""
  package var types = ""
  package var embeddingNorm: String
  /// In front of a layer's index.
  package var layers: String
  package var attention: Attention
  package var attentionOutput, attentionNorm: String
  package var feedForward: FeedForward
  package var down, outputNorm: String
  package var finalNorm = ""
  package var positionBuckets = ""

  package enum Attention: Sendable {
    case separate(query: String, key: String, value: String)
    /// One below the other.
    case fused(String)
  }

  package enum FeedForward: Sendable {
    case plain(String)
    case gated(gate: String, up: String)
    /// The gate's rows above.
    case fused(String)
  }
}
