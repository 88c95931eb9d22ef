// Qwen's mixtures of experts (transformers: models/qwen2_moe, models/qwen3_moe): in some or all layers
// many small experts, of which Qwen2's have a shared one beside them.

import Checkpoints
import JSON

extension ModelFamily {
  static let qwen2MoE = ModelFamily(configuration: qwen2MoEConfiguration)
  static let qwen3MoE = ModelFamily(configuration: qwen3MoEConfiguration)
}

private func qwen2MoEConfiguration(_ file: ConfigurationFile) throws(ModelError)
  -> CausalLMConfiguration
{
  let defaults = CausalLMConfiguration.Defaults(
    integers: ["max_position_embeddings": 32768], bos: nil, eos: [])
  var c = try CausalLMConfiguration(common: file, architecture: "Qwen2MoeForCausalLM", defaults)
  try c.setRotary(file, defaults)
  c.queryKeyValueBias = try file.bool("qkv_bias") ?? true
  try c.setExperts(file, count: 60, perToken: 4, width: 1408)
  c.experts?.sharedIntermediateSize =
    try file.integer("shared_expert_intermediate_size", in: SizeLimits.intermediate) ?? 5632
  guard try file.bool("use_sliding_window") ?? false,
    let window = try file.slidingWindow(default: 4096)
  else { return c }
  let end = try file.integer("max_window_layers", in: 0...SizeLimits.layers.upperBound) ?? 28
  let sliding = try file.slidingLayers(count: c.layerCount) { $0 % 2 == 0 && $0 < end }
  for index in c.layers.indices where sliding[index] { c.layers[index].window = window }
  return c
}

private func qwen3MoEConfiguration(_ file: ConfigurationFile) throws(ModelError)
  -> CausalLMConfiguration
{
  let defaults = CausalLMConfiguration.Defaults(
    integers: ["num_key_value_heads": 4, "max_position_embeddings": 32768], bos: nil, eos: [])
  var c = try CausalLMConfiguration(common: file, architecture: "Qwen3MoeForCausalLM", defaults)
  try c.setRotary(file, defaults)
  c.queryKeyNorm = .perHead
  c.queryKeyValueBias = try file.bool("attention_bias") ?? false
  c.attentionOutputBias = c.queryKeyValueBias
  try c.setExperts(file, count: 128, perToken: 8, width: 768)
  guard try file.bool("use_sliding_window") ?? false else { return c }
  let window = try file.slidingWindow(default: 4096)
  for index in c.layers.indices { c.layers[index].window = window }
  return c
}

extension CausalLMConfiguration {
  /// Every `decoder_sparse_step`-th layer has experts, but for those in `mlp_only_layers`.
  fileprivate mutating func setExperts(
    _ file: ConfigurationFile, count: Int, perToken: Int, width: Int
  ) throws(ModelError) {
    let limits = 0...SizeLimits.experts.upperBound
    let local = try file.integer("num_local_experts", in: limits)
    let count = try file.integer("num_experts", in: limits) ?? local ?? count
    guard count > 0 else { return }
    experts = Experts(
      count: count,
      countPerToken: try file.integer("num_experts_per_tok", in: 1...count) ?? perToken,
      intermediateSize: try file.integer("moe_intermediate_size", in: SizeLimits.intermediate)
        ?? width,
      normalizesWeights: try file.bool("norm_topk_prob") ?? false)
    let step = try file.integer("decoder_sparse_step", in: SizeLimits.layers) ?? 1
    let plain = Set(file["mlp_only_layers"]?.array?.compactMap(\.int) ?? [])
    for index in layers.indices {
      layers[index].hasExperts = (index + 1) % step == 0 && !plain.contains(index)
    }
  }
}
