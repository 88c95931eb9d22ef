// What a text encoder is made of, and what its tensors are called: filled in by its family.

struct TextEncoderConfiguration: Sendable, Hashable {
  var vocabularySize: Int
  /// Rows of the table of learnt positions.
  var positionCount: Int
  var typeCount: Int
  var layerCount: Int
  var hiddenSize: Int
  var intermediateSize: Int
  var headCount: Int
  var epsilon: Float

  var headDimension: Int { hiddenSize / headCount }
}

struct EncoderTensorNames: Sendable {
  var words, positions, types: String
  var embeddingNorm: String
  /// In front of a layer's index.
  var layers: String
  var query, key, value, attentionOutput, attentionNorm: String
  var up, down, outputNorm: String
}
