// Granite 3 (transformers: models/granite): Llama with four multipliers: of embeddings, of scores, of
// what each block adds, and one that logits are divided by.

import Checkpoints

extension ModelFamily {
  static let granite = ModelFamily(configuration: graniteConfiguration)
}

private func graniteConfiguration(_ file: ConfigurationFile) throws(ModelError)
  -> CausalLMConfiguration
{
  let defaults = CausalLMConfiguration.Defaults()
  var c = try CausalLMConfiguration(common: file, architecture: "GraniteForCausalLM", defaults)
  try c.setRotary(file, defaults)
  c.queryKeyValueBias = try file.bool("attention_bias") ?? false
  c.attentionOutputBias = c.queryKeyValueBias
  c.feedForwardBias = try file.bool("mlp_bias") ?? false
  let limits = SizeLimits.multiplier
  c.embeddingScale = try file.float("embedding_multiplier", in: limits) ?? 1
  c.scalesVirtualEmbeddings = true
  c.attentionScale = try file.float("attention_multiplier", in: limits) ?? 1
  c.residualScale = try file.float("residual_multiplier", in: limits) ?? 1
  c.logitScale = 1 / (try file.float("logits_scaling", in: SizeLimits.scalingFactor) ?? 1)
  return c
}
