// nomic-bert (nomic-ai/nomic-bert-2048's modeling_hf_nomic_bert.py; transformers: models/nomic_bert):
// rotary embeddings, one matrix for query, key and value, gated SiLU, norms behind the sums. Reads the
// keys of its hub's config.json and transformers'. Refuses experts, and all that its code has switches
// for beyond the released models.

import Checkpoints

extension EncoderFamily {
  static let nomicBert = EncoderFamily(
    configuration: nomicBertConfiguration,
    names: EncoderTensorNames(
      prefix: "nomic_bert.", words: "embeddings.word_embeddings.weight",
      types: "embeddings.token_type_embeddings.weight", embeddingNorm: "emb_ln",
      layers: "encoder.layers.", attention: .fused("attn.Wqkv"), attentionOutput: "attn.out_proj",
      attentionNorm: "norm1", feedForward: .gated(gate: "mlp.fc12", up: "mlp.fc11"),
      down: "mlp.fc2", outputNorm: "norm2"))
}

@Sendable private func nomicBertConfiguration(_ file: ConfigurationFile) throws(ModelError)
  -> TextEncoderConfiguration
{
  try refuseUnsupported(file)
  let isOriginal = file["n_embd"] != nil
  func key(_ original: String, _ new: String) -> String { isOriginal ? original : new }
  let headKey = key("n_head", "num_attention_heads")
  let (width, heads) = try file.widthAndHeads(key("n_embd", "hidden_size"), headKey)
  try file.requireEvenHeads(width, heads, headKey)
  let layers = try file.requiredInteger(
    key("n_layer", "num_hidden_layers"), in: SizeLimits.layers)
  let epsilon = try file.float(
    key("layer_norm_epsilon", "layer_norm_eps"), in: SizeLimits.epsilon)
  let base = try file.float("rotary_emb_base", in: SizeLimits.rotaryBase)
  let newBase = try file.object("rope_parameters")?.float("rope_theta", in: SizeLimits.rotaryBase)
  return TextEncoderConfiguration(
    vocabularySize: try file.requiredInteger("vocab_size", in: SizeLimits.vocabulary),
    hiddenSize: width,
    intermediateSize: try file.requiredInteger(
      key("n_inner", "intermediate_size"), in: SizeLimits.intermediate),
    headCount: heads, epsilon: epsilon ?? 1e-12, layers: Array(repeating: .init(), count: layers),
    positions: .none,
    rotary: [
      RotaryEmbedding(width: width / heads, base: base ?? newBase ?? 1000, scaling: .none)
    ],
    typeCount: try file.integer("type_vocab_size", in: 0...1024) ?? 2,
    maximumTokens: try maximumTokens(file, isOriginal: isOriginal), feedForward: .gatedSilu,
    attentionBias: try file.bool("qkv_proj_bias") ?? false,
    feedForwardBias: try file.bool("mlp_fc1_bias") ?? false)
}

/// Frequencies are scaled, where `rotary_scaling_factor` says so, only beyond the length that the
/// model was trained with: there the texts end.
private func maximumTokens(_ file: ConfigurationFile, isOriginal: Bool) throws(ModelError) -> Int {
  guard isOriginal else {
    return try file.integer("max_position_embeddings", in: SizeLimits.context) ?? 2048
  }
  let count = try file.requiredInteger("n_positions", in: SizeLimits.context)
  guard file["rotary_scaling_factor"] != nil else { return count }
  return min(count, try file.integer("max_trained_positions", in: SizeLimits.context) ?? 2048)
}

private func refuseUnsupported(_ file: ConfigurationFile) throws(ModelError) {
  try file.require("activation_function", "swiglu")
  try file.require("hidden_act", "silu")
  try file.object("rope_parameters")?.require("rope_type", "default")
  for key in [
    "prenorm", "parallel_block", "use_rms_norm", "rotary_emb_interleaved", "causal",
    "scale_attn_by_inverse_layer_idx",
  ] {
    try file.require(key, false)
  }
  let share = try file.float("rotary_emb_fraction", in: 0...1) ?? 1
  guard share == 1 else {
    throw file.unsupported("rotary_emb_fraction", "\(share)", supported: ["1"])
  }
  let experts = try file.integer("num_experts", in: 0...1024) ?? 0
  guard experts == 0 else {
    throw file.unsupported("num_experts", "\(experts)", supported: ["0"])
  }
  let biases = try ["mlp_fc1_bias", "mlp_fc2_bias"].map { (key) throws(ModelError) in
    try file.bool(key) ?? false
  }
  guard biases[0] == biases[1] else {
    throw file.unsupported(
      "mlp_fc2_bias", "\(biases[1])", supported: ["as mlp_fc1_bias is, \(biases[0])"])
  }
}
