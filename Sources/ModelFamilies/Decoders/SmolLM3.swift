// SmolLM3 (transformers: models/smollm3): Llama in which some layers, every fourth, have no rotary
// embedding and, where `use_sliding_window` is set, a window.

import Checkpoints
import JSON

extension ModelFamily {
  static let smolLM3 = ModelFamily(configuration: smolLM3Configuration)
}

private func smolLM3Configuration(_ file: ConfigurationFile) throws(ModelError)
  -> CausalLMConfiguration
{
  let defaults = CausalLMConfiguration.Defaults(
    integers: ["num_key_value_heads": 4, "max_position_embeddings": 32768],
    tiedEmbeddings: true, bos: 128_000, eos: [128_001])
  var c = try CausalLMConfiguration(common: file, architecture: "SmolLM3ForCausalLM", defaults)
  try c.setRotary(file, defaults)
  c.queryKeyValueBias = try file.bool("attention_bias") ?? false
  c.attentionOutputBias = c.queryKeyValueBias
  c.feedForwardBias = try file.bool("mlp_bias") ?? false
  let isRotated = try rotatedLayers(file, count: c.layerCount)
  var window: Int?
  if try file.bool("use_sliding_window") ?? false { window = try file.slidingWindow() }
  let sliding = try file.slidingLayers(count: c.layerCount) { window != nil && !isRotated[$0] }
  for index in c.layers.indices {
    c.layers[index] = .init(
      window: sliding[index] ? window : nil, rotary: isRotated[index] ? 0 : nil)
  }
  return c
}

/// `no_rope_layers` has, in spite of its name, a one for each layer that is rotated.
private func rotatedLayers(_ file: ConfigurationFile, count: Int) throws(ModelError) -> [Bool] {
  let key = "no_rope_layers"
  guard let list = file[key] else {
    let period = try file.integer("no_rope_layer_interval", in: SizeLimits.layers) ?? 4
    return (0..<count).map { ($0 + 1) % period != 0 }
  }
  let flags = list.array?.compactMap(\.int) ?? []
  guard flags.count == count, flags.allSatisfy({ $0 == 0 || $0 == 1 }) else {
    throw file.refusal(key, "it must list a zero or a one for each of the \(count) layers")
  }
  return flags.map { $0 == 1 }
}
