// Gemma, Gemma 2 and the text part of Gemma 3 (transformers: models/gemma, gemma2, gemma3): norms whose
// weights are stored less one, scaled embeddings, gelu with tanh. From Gemma 2 on norms around
// attention and feed-forward and windows in some layers; Gemma 2 caps scores and logits, Gemma 3 has
// norms of queries and keys and a rotary embedding of its own in layers with a window.

import Checkpoints
import JSON

extension ModelFamily {
  static let gemma = ModelFamily(configuration: gemmaConfiguration)
  static let gemma2 = ModelFamily(
    configuration: gemma2Configuration, names: { _ in aroundNames })
  static let gemma3 = ModelFamily(
    configuration: gemma3Configuration, names: { _ in aroundNames })
}

private let aroundNames = CheckpointNames(
  // Checkpoints of a model that sees images too carry the second one.
  prefixes: ["", "language_model."],
  parts: [
    .attentionOutputNorm: StoredPart("post_attention_layernorm"),
    .feedForwardNorm: StoredPart("pre_feedforward_layernorm"),
    .feedForwardOutputNorm: StoredPart("post_feedforward_layernorm"),
  ])

private func defaults(context: Int, _ integers: [String: Int] = [:])
  -> CausalLMConfiguration.Defaults
{
  CausalLMConfiguration.Defaults(
    integers: integers.merging(["max_position_embeddings": context, "head_dim": 256]) { $1 },
    activation: "gelu_pytorch_tanh", activationKey: "hidden_activation", tiedEmbeddings: true,
    bos: 2, eos: [1])
}

extension CausalLMConfiguration {
  /// What all generations share.
  fileprivate init(
    gemma file: ConfigurationFile, architecture: String, _ defaults: Defaults
  ) throws(ModelError) {
    try file.refuse("use_bidirectional_attention", unless: false)
    try self.init(common: file, architecture: architecture, defaults)
    let epsilon = try file.float("rms_norm_eps", in: SizeLimits.epsilon) ?? defaults.epsilon
    // GGUF files have weights that one was added to already.
    normalization = .rms(
      epsilon: epsilon,
      offset: try file.float("norm_weight_offset", in: SizeLimits.multiplier) ?? 1)
    embeddingScale = Float(hiddenSize).squareRoot()
    queryKeyValueBias = try file.bool("attention_bias") ?? false
    attentionOutputBias = queryKeyValueBias
  }

  fileprivate mutating func setScores(
    _ file: ConfigurationFile, softCap: Float?, logitSoftCap: Float?
  ) throws(ModelError) {
    let limits = SizeLimits.scalingFactor
    func cap(_ key: String, default cap: Float?) throws(ModelError) -> Float? {
      file.root[key] == nil ? cap : try file.float(key, in: limits)
    }
    normPlacement = .around
    attentionScale =
      1 / (try file.float("query_pre_attn_scalar", in: limits) ?? 256).squareRoot()
    attentionSoftCap = try cap("attn_logit_softcapping", default: softCap)
    self.logitSoftCap = try cap("final_logit_softcapping", default: logitSoftCap)
  }
}

private func gemmaConfiguration(_ file: ConfigurationFile) throws(ModelError)
  -> CausalLMConfiguration
{
  let defaults = defaults(context: 8192)
  var c = try CausalLMConfiguration(
    gemma: file, architecture: "GemmaForCausalLM", defaults)
  // "gelu" in old files means the approximation, as in transformers.
  let activation = try file.string("hidden_act") ?? "gelu_pytorch_tanh"
  if activation != "gelu" {
    c.feedForward = .gated(try file.activation("hidden_act", default: activation))
  }
  try c.setRotary(file, defaults)
  return c
}

private func gemma2Configuration(_ file: ConfigurationFile) throws(ModelError)
  -> CausalLMConfiguration
{
  let defaults = defaults(context: 8192)
  var c = try CausalLMConfiguration(
    gemma: file, architecture: "Gemma2ForCausalLM", defaults)
  try c.setScores(file, softCap: 50, logitSoftCap: 30)
  try c.setRotary(file, defaults)
  let window = try file.slidingWindow(default: 4096)
  let sliding = try file.slidingLayers(count: c.layerCount) { $0 % 2 == 0 }
  for index in c.layers.indices where sliding[index] { c.layers[index].window = window }
  return c
}

private func gemma3Configuration(_ whole: ConfigurationFile) throws(ModelError)
  -> CausalLMConfiguration
{
  // Files of a model that sees images too say of the text part what differs from the defaults.
  let file = try whole.object("text_config") ?? whole
  let defaults = defaults(
    context: 131_072,
    [
      "vocab_size": 262_208, "hidden_size": 2304, "intermediate_size": 9216,
      "num_hidden_layers": 26, "num_attention_heads": 8, "num_key_value_heads": 4,
    ])
  var c = try CausalLMConfiguration(
    gemma: file, architecture: "Gemma3ForCausalLM", defaults)
  try c.setScores(file, softCap: nil, logitSoftCap: nil)
  c.queryKeyNorm = .perHead
  let window = try file.slidingWindow(default: 4096)
  let period = try file.integer("sliding_window_pattern", in: SizeLimits.layers) ?? 6
  let sliding = try file.slidingLayers(count: c.layerCount) { ($0 + 1) % period != 0 }
  c.layers = sliding.map { $0 ? .init(window: window, rotary: 1) : .init() }
  c.rotary = [try globalRotary(file, c), try localRotary(file, c)]
  return c
}

private func globalRotary(_ file: ConfigurationFile, _ c: CausalLMConfiguration)
  throws(ModelError) -> RotaryEmbedding
{
  try RotaryEmbedding(
    file, headDimension: c.headDimension, defaults: .init(base: 1_000_000),
    layerType: "full_attention")
}

/// Of layers with a window: never scaled in old files.
private func localRotary(_ file: ConfigurationFile, _ c: CausalLMConfiguration)
  throws(ModelError) -> RotaryEmbedding
{
  let base = try file.float("rope_local_base_freq", in: SizeLimits.rotaryBase) ?? 10_000
  guard file["rope_parameters"]?["sliding_attention"] != nil else {
    return RotaryEmbedding(width: c.headDimension, base: base, scaling: .none)
  }
  return try RotaryEmbedding(
    file, headDimension: c.headDimension, defaults: .init(base: base),
    layerType: "sliding_attention")
}
