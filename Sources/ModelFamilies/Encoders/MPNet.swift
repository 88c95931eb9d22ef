// MPNet (transformers: models/mpnet): BERT's blocks with biases by distance in attention, which all
// layers share, and positions that begin behind the padding's. Refuses another number of buckets
// than the one that transformers computes with whatever config.json says.

import Checkpoints

extension EncoderFamily {
  static let mpnet = EncoderFamily(
    configuration: mpnetConfiguration,
    names: EncoderTensorNames(
      prefix: "mpnet.", words: "embeddings.word_embeddings.weight",
      positions: "embeddings.position_embeddings.weight", embeddingNorm: "embeddings.LayerNorm",
      layers: "encoder.layer.",
      attention: .separate(
        query: "attention.attn.q", key: "attention.attn.k", value: "attention.attn.v"),
      attentionOutput: "attention.attn.o", attentionNorm: "attention.LayerNorm",
      feedForward: .plain("intermediate.dense"), down: "output.dense",
      outputNorm: "output.LayerNorm",
      positionBuckets: "encoder.relative_attention_bias.weight"),
    classifier: ClassifierOptions(
      dense: "classifier.dense", activation: .tanh, output: "classifier.out_proj"))
}

@Sendable private func mpnetConfiguration(_ file: ConfigurationFile) throws(ModelError)
  -> TextEncoderConfiguration
{
  try file.require("hidden_act", "gelu")
  let buckets = try file.integer("relative_attention_num_buckets", in: 1...1024) ?? 32
  guard buckets == 32 else {
    throw file.unsupported("relative_attention_num_buckets", "\(buckets)", supported: ["32"])
  }
  let (width, heads) = try file.widthAndHeads("hidden_size", "num_attention_heads")
  // transformers takes 1 for the padding's id whatever config.json says.
  let padding = 1
  let positions = try file.requiredInteger("max_position_embeddings", in: SizeLimits.positions)
  guard positions > padding + 1 else {
    throw file.refusal("max_position_embeddings", "\(positions) leave none behind the padding's")
  }
  let layers = try file.requiredInteger("num_hidden_layers", in: SizeLimits.layers)
  return TextEncoderConfiguration(
    vocabularySize: try file.requiredInteger("vocab_size", in: SizeLimits.vocabulary),
    hiddenSize: width,
    intermediateSize: try file.requiredInteger("intermediate_size", in: SizeLimits.intermediate),
    headCount: heads, epsilon: try file.float("layer_norm_eps", in: SizeLimits.epsilon) ?? 1e-12,
    layers: Array(repeating: .init(), count: layers),
    positions: .learnt(count: positions, paddingID: Int32(padding)),
    maximumTokens: positions - padding - 1, positionBuckets: buckets)
}
