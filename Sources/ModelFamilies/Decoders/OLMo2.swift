// OLMo 2 (transformers: models/olmo2): norms of what attention and feed-forward add instead of what they
// read, and of all queries and all keys of a token together.

import Checkpoints

extension ModelFamily {
  static let olmo2 = ModelFamily(
    configuration: olmo2Configuration,
    names: { _ in
      CheckpointNames(parts: [
        .attentionOutputNorm: StoredPart("post_attention_layernorm"),
        .feedForwardOutputNorm: StoredPart("post_feedforward_layernorm"),
      ])
    })
}

private func olmo2Configuration(_ file: ConfigurationFile) throws(ModelError)
  -> CausalLMConfiguration
{
  let defaults = CausalLMConfiguration.Defaults(epsilon: 1e-5, bos: nil, eos: [50279])
  var c = try CausalLMConfiguration(common: file, architecture: "Olmo2ForCausalLM", defaults)
  try c.setRotary(file, defaults)
  c.normPlacement = .after
  c.queryKeyNorm = .whole
  c.queryKeyValueBias = try file.bool("attention_bias") ?? false
  c.attentionOutputBias = c.queryKeyValueBias
  return c
}
