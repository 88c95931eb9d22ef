// ModernBERT (transformers: models/modernbert): rotary embeddings, layers that see the whole text
// between layers that see a window, gated gelu, norms before the sums, hardly any biases. Refuses
// other activations and scalings of rotary embeddings.

import Checkpoints
import JSON

extension EncoderFamily {
  static let modernBert = EncoderFamily(
    configuration: modernBertConfiguration,
    names: EncoderTensorNames(
      prefix: "model.", words: "embeddings.tok_embeddings.weight", embeddingNorm: "embeddings.norm",
      layers: "layers.", attention: .fused("attn.Wqkv"), attentionOutput: "attn.Wo",
      attentionNorm: "attn_norm", feedForward: .fused("mlp.Wi"), down: "mlp.Wo",
      outputNorm: "mlp_norm", finalNorm: "final_norm"),
    classifier: ClassifierOptions(
      dense: "head.dense", activation: .gelu, norm: "head.norm", output: "classifier",
      biasKey: "classifier_bias", poolingKey: "classifier_pooling"))
}

private let fullAttention = "full_attention"
private let slidingAttention = "sliding_attention"

@Sendable private func modernBertConfiguration(_ file: ConfigurationFile) throws(ModelError)
  -> TextEncoderConfiguration
{
  try file.require("hidden_activation", "gelu")
  try file.require("classifier_activation", "gelu")
  let (width, heads) = try file.widthAndHeads("hidden_size", "num_attention_heads")
  try file.requireEvenHeads(width, heads, "num_attention_heads")
  let window = try file.integer("local_attention", in: 1...SizeLimits.context.upperBound) ?? 128
  let positions = try file.requiredInteger("max_position_embeddings", in: SizeLimits.context)
  return TextEncoderConfiguration(
    vocabularySize: try file.requiredInteger("vocab_size", in: SizeLimits.vocabulary),
    hiddenSize: width,
    intermediateSize: try file.requiredInteger("intermediate_size", in: SizeLimits.intermediate),
    headCount: heads, epsilon: try file.float("norm_eps", in: SizeLimits.epsilon) ?? 1e-5,
    layers: try layerTypes(file).map { type in
      type == fullAttention ? .init(rotation: 0) : .init(rotation: 1, reach: window / 2)
    },
    positions: .none,
    rotary: [
      try rotary(
        file, fullAttention, width: width / heads, oldKey: "global_rope_theta", base: 160_000),
      try rotary(
        file, slidingAttention, width: width / heads, oldKey: "local_rope_theta", base: 10_000),
    ],
    maximumTokens: positions, norm: .before, feedForward: .gatedGelu,
    attentionBias: try file.bool("attention_bias") ?? false,
    feedForwardBias: try file.bool("mlp_bias") ?? false,
    normBias: try file.bool("norm_bias") ?? false)
}

/// `layer_types`, or before version 5 every so many layers a full one.
private func layerTypes(_ file: ConfigurationFile) throws(ModelError) -> [String] {
  let count = try file.requiredInteger("num_hidden_layers", in: SizeLimits.layers)
  guard let list = file["layer_types"] else {
    let period = try file.integer("global_attn_every_n_layers", in: SizeLimits.layers) ?? 3
    return (0..<count).map { $0 % period == 0 ? fullAttention : slidingAttention }
  }
  let types = list.array?.map { $0.string ?? $0.description } ?? []
  guard types.count == count else {
    throw file.refusal("layer_types", "it has \(types.count) entries for \(count) layers")
  }
  for type in types where type != fullAttention && type != slidingAttention {
    throw file.unsupported("layer_types", type, supported: [fullAttention, slidingAttention])
  }
  return types
}

private func rotary(
  _ file: ConfigurationFile, _ type: String, width: Int, oldKey: String, base: Float
) throws(ModelError) -> RotaryEmbedding {
  let oldBase = try file.float(oldKey, in: SizeLimits.rotaryBase)
  let parameters = try file.object("rope_parameters")?.object(type)
  try parameters?.require("rope_type", "default")
  guard file["rope_scaling"] == nil else {
    throw file.unsupported("rope_scaling", "set", supported: ["null"])
  }
  let newBase = try parameters?.float("rope_theta", in: SizeLimits.rotaryBase)
  return RotaryEmbedding(width: width, base: newBase ?? oldBase ?? base, scaling: .none)
}
