// Qwen2, Qwen2.5 and Qwen3 (transformers: models/qwen2, models/qwen3): Llama with biases on queries,
// keys and values, or in Qwen3 with norms of each query and key instead; a window in the upper
// layers where `use_sliding_window` is set.

import Checkpoints

extension ModelFamily {
  static let qwen2 = ModelFamily(configuration: qwen2Configuration)
  static let qwen3 = ModelFamily(configuration: qwen3Configuration)
}

private func qwen2Configuration(_ file: ConfigurationFile) throws(ModelError)
  -> CausalLMConfiguration
{
  let defaults = CausalLMConfiguration.Defaults(
    integers: ["max_position_embeddings": 32768], bos: nil, eos: [])
  var c = try CausalLMConfiguration(common: file, architecture: "Qwen2ForCausalLM", defaults)
  try c.setRotary(file, defaults)
  c.queryKeyValueBias = true
  try c.setUpperWindows(file)
  return c
}

private func qwen3Configuration(_ file: ConfigurationFile) throws(ModelError)
  -> CausalLMConfiguration
{
  let defaults = CausalLMConfiguration.Defaults(
    integers: ["max_position_embeddings": 32768, "head_dim": 128], bos: nil, eos: [])
  var c = try CausalLMConfiguration(common: file, architecture: "Qwen3ForCausalLM", defaults)
  try c.setRotary(file, defaults)
  c.queryKeyNorm = .perHead
  c.queryKeyValueBias = try file.bool("attention_bias") ?? false
  c.attentionOutputBias = c.queryKeyValueBias
  try c.setUpperWindows(file)
  return c
}

extension CausalLMConfiguration {
  /// Layers from `max_window_layers` on have a window, or those that `layer_types` says.
  fileprivate mutating func setUpperWindows(_ file: ConfigurationFile) throws(ModelError) {
    guard try file.bool("use_sliding_window") ?? false,
      let window = try file.slidingWindow(default: 4096)
    else { return }
    let first = try file.integer("max_window_layers", in: 0...SizeLimits.layers.upperBound) ?? 28
    let sliding = try file.slidingLayers(count: layerCount) { $0 >= first }
    for index in layers.indices where sliding[index] { layers[index].window = window }
  }
}
