// The Llama family (transformers: models/llama), which Yi, SmolLM, TinyLlama, Vicuna and many more
// belong to: RMS norm before each block, grouped-query attention, gated SiLU.

import Checkpoints

extension ModelFamily {
  static let llama = ModelFamily(configuration: llamaConfiguration)
}

private func llamaConfiguration(_ file: ConfigurationFile) throws(ModelError)
  -> CausalLMConfiguration
{
  let defaults = CausalLMConfiguration.Defaults()
  var c = try CausalLMConfiguration(common: file, architecture: "LlamaForCausalLM", defaults)
  try c.setRotary(file, defaults)
  c.queryKeyValueBias = try file.bool("attention_bias") ?? false
  c.attentionOutputBias = c.queryKeyValueBias
  c.feedForwardBias = try file.bool("mlp_bias") ?? false
  return c
}
