// DistilBERT (transformers: models/distilbert): BERT's blocks without token types, under names of its
// own. Refuses other activations than gelu.

import Checkpoints

extension EncoderFamily {
  static let distilBert = EncoderFamily(
    configuration: distilBertConfiguration,
    names: EncoderTensorNames(
      prefix: "distilbert.", words: "embeddings.word_embeddings.weight",
      positions: "embeddings.position_embeddings.weight", embeddingNorm: "embeddings.LayerNorm",
      layers: "transformer.layer.",
      attention: .separate(
        query: "attention.q_lin", key: "attention.k_lin", value: "attention.v_lin"),
      attentionOutput: "attention.out_lin", attentionNorm: "sa_layer_norm",
      feedForward: .plain("ffn.lin1"), down: "ffn.lin2", outputNorm: "output_layer_norm"),
    classifier: ClassifierOptions(
      dense: "pre_classifier", activation: .relu, output: "classifier"))
}

@Sendable private func distilBertConfiguration(_ file: ConfigurationFile) throws(ModelError)
  -> TextEncoderConfiguration
{
  try file.require("activation", "gelu")
  let (width, heads) = try file.widthAndHeads("dim", "n_heads")
  let positions = try file.requiredInteger("max_position_embeddings", in: SizeLimits.positions)
  let layers = try file.requiredInteger("n_layers", in: SizeLimits.layers)
  return TextEncoderConfiguration(
    vocabularySize: try file.requiredInteger("vocab_size", in: SizeLimits.vocabulary),
    hiddenSize: width,
    intermediateSize: try file.requiredInteger("hidden_dim", in: SizeLimits.intermediate),
    headCount: heads, epsilon: 1e-12, layers: Array(repeating: .init(), count: layers),
    positions: .learnt(count: positions, paddingID: nil), maximumTokens: positions)
}
