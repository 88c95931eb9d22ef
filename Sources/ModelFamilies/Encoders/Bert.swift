// The BERT family (transformers: models/bert) and RoBERTa's, which differs in where positions begin
// (models/roberta, xlm_roberta, camembert): learnt positions, post-norm blocks with biases, exact
// gelu. Refuses what config.json may ask for beyond that.

import Checkpoints

extension EncoderFamily {
  static let bert = EncoderFamily(
    configuration: { (file) throws(ModelError) in try bertConfiguration(file, paddingID: nil) },
    names: bertNames(prefix: "bert."),
    classifier: ClassifierOptions(
      dense: "bert.pooler.dense", activation: .tanh, output: "classifier"))

  static let roberta = EncoderFamily(
    configuration: { (file) throws(ModelError) in
      let padding = try file.tokenIDs("pad_token_id")?.first ?? 1
      return try bertConfiguration(file, paddingID: padding)
    },
    names: bertNames(prefix: "roberta."),
    classifier: ClassifierOptions(
      dense: "classifier.dense", activation: .tanh, output: "classifier.out_proj"))

  private static func bertNames(prefix: String) -> EncoderTensorNames {
    EncoderTensorNames(
      prefix: prefix, words: "embeddings.word_embeddings.weight",
      positions: "embeddings.position_embeddings.weight",
      types: "embeddings.token_type_embeddings.weight", embeddingNorm: "embeddings.LayerNorm",
      layers: "encoder.layer.",
      attention: .separate(
        query: "attention.self.query", key: "attention.self.key", value: "attention.self.value"),
      attentionOutput: "attention.output.dense", attentionNorm: "attention.output.LayerNorm",
      feedForward: .plain("intermediate.dense"), down: "output.dense",
      outputNorm: "output.LayerNorm")
  }
}

private func bertConfiguration(_ file: ConfigurationFile, paddingID: Int32?) throws(ModelError)
  -> TextEncoderConfiguration
{
  try file.require("hidden_act", "gelu")
  try file.require("position_embedding_type", "absolute")
  try file.require("is_decoder", false)
  let (width, heads) = try file.widthAndHeads("hidden_size", "num_attention_heads")
  let positions = try file.requiredInteger("max_position_embeddings", in: SizeLimits.positions)
  let first = paddingID.map { Int($0) + 1 } ?? 0
  guard positions > first else {
    throw file.refusal("max_position_embeddings", "\(positions) leave none behind pad_token_id")
  }
  let layers = try file.requiredInteger("num_hidden_layers", in: SizeLimits.layers)
  return TextEncoderConfiguration(
    vocabularySize: try file.requiredInteger("vocab_size", in: SizeLimits.vocabulary),
    hiddenSize: width,
    intermediateSize: try file.requiredInteger("intermediate_size", in: SizeLimits.intermediate),
    headCount: heads, epsilon: try file.float("layer_norm_eps", in: SizeLimits.epsilon) ?? 1e-12,
    layers: Array(repeating: .init(), count: layers),
    positions: .learnt(count: positions, paddingID: paddingID),
    typeCount: try file.integer("type_vocab_size", in: 1...1024) ?? 2,
    maximumTokens: positions - first)
}
