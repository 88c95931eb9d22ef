// Mistral and, with experts, Mixtral (transformers: models/mistral, models/mixtral): Llama with a
// sliding window in all layers where config.json asks for one.

import Checkpoints

extension ModelFamily {
  static let mistral = ModelFamily(configuration: mistralConfiguration)

  static let mixtral = ModelFamily(
    configuration: mixtralConfiguration,
    names: { _ in
      CheckpointNames(parts: [
        .router: StoredPart("block_sparse_moe.gate"),
        .expertGate: StoredPart("block_sparse_moe.experts.*.w1"),
        .expertUp: StoredPart("block_sparse_moe.experts.*.w3"),
        .expertDown: StoredPart("block_sparse_moe.experts.*.w2"),
      ])
    })
}

private func mistralConfiguration(_ file: ConfigurationFile) throws(ModelError)
  -> CausalLMConfiguration
{
  let defaults = CausalLMConfiguration.Defaults(
    integers: ["num_key_value_heads": 8, "max_position_embeddings": 131_072])
  var c = try CausalLMConfiguration(common: file, architecture: "MistralForCausalLM", defaults)
  try c.setRotary(file, defaults)
  let window = try file.slidingWindow(default: 4096)
  for index in c.layers.indices { c.layers[index].window = window }
  return c
}

private func mixtralConfiguration(_ file: ConfigurationFile) throws(ModelError)
  -> CausalLMConfiguration
{
  let defaults = CausalLMConfiguration.Defaults(
    integers: ["num_key_value_heads": 8, "max_position_embeddings": 131_072], epsilon: 1e-5,
    rotary: .init(base: 1_000_000))
  var c = try CausalLMConfiguration(common: file, architecture: "MixtralForCausalLM", defaults)
  try c.setRotary(file, defaults)
  let window = try file.slidingWindow()
  let count = try file.integer("num_local_experts", in: SizeLimits.experts) ?? 8
  c.experts = CausalLMConfiguration.Experts(
    count: count,
    countPerToken: try file.integer("num_experts_per_tok", in: 1...count) ?? 2,
    intermediateSize: c.intermediateSize, normalizesWeights: true)
  c.layers = c.layers.map { _ in .init(window: window, hasExperts: true) }
  return c
}
