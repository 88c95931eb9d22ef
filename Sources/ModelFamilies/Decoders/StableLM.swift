// StableLM (transformers: models/stablelm): norms by mean and variance, a quarter of each head rotated,
// blocks that may be parallel with one norm. Refuses norms of each head's queries and keys, which
// only StableLM 2 12B has.

import Checkpoints

extension ModelFamily {
  static let stableLM = ModelFamily(configuration: stableLMConfiguration)
}

private func stableLMConfiguration(_ file: ConfigurationFile) throws(ModelError)
  -> CausalLMConfiguration
{
  try file.refuse("qk_layernorm", unless: false)
  let defaults = CausalLMConfiguration.Defaults(
    integers: ["max_position_embeddings": 4096], epsilon: 1e-5, epsilonKey: "layer_norm_eps",
    rotary: .init(share: 0.25), bos: 0, eos: [0])
  var c = try CausalLMConfiguration(common: file, architecture: "StableLmForCausalLM", defaults)
  try c.setRotary(file, defaults)
  c.normalization = .layer(
    epsilon: try file.float("layer_norm_eps", in: SizeLimits.epsilon) ?? defaults.epsilon)
  c.queryKeyValueBias = try file.bool("use_qkv_bias") ?? false
  c.residual = try file.bool("use_parallel_residual") ?? false ? .parallelWithOneNorm : .sequential
  return c
}
