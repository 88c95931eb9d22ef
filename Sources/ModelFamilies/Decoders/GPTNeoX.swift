// GPT-NeoX and Pythia (transformers: models/gpt_neox): attention and feed-forward side by side, each with
// its own norm; a part of each head rotated; queries, keys and values of a head next to each other in
// one matrix.

import Checkpoints

extension ModelFamily {
  static let gptNeoX = ModelFamily(configuration: gptNeoXConfiguration, names: gptNeoXNames)
}

private func gptNeoXConfiguration(_ given: ConfigurationFile) throws(ModelError)
  -> CausalLMConfiguration
{
  let file = given.renaming([
    "rotary_emb_base": "rope_theta", "rotary_pct": "partial_rotary_factor",
  ])
  let defaults = CausalLMConfiguration.Defaults(
    epsilon: 1e-5, epsilonKey: "layer_norm_eps", rotary: .init(share: 0.25), activation: "gelu",
    bos: 0, eos: [2])
  var c = try CausalLMConfiguration(common: file, architecture: "GPTNeoXForCausalLM", defaults)
  try c.setRotary(file, defaults)
  c.setPlainBlocks(
    epsilon: try file.float("layer_norm_eps", in: SizeLimits.epsilon) ?? defaults.epsilon)
  c.keyValueHeadCount = c.headCount
  c.queryKeyValueBias = try file.bool("attention_bias") ?? true
  c.attentionOutputBias = c.queryKeyValueBias
  c.residual = try file.bool("use_parallel_residual") ?? true ? .parallel : .sequential
  return c
}

private func gptNeoXNames(_ c: CausalLMConfiguration) -> CheckpointNames {
  let head = c.headDimension
  func attention(_ index: Int) -> StoredPart {
    StoredPart(
      "attention.query_key_value",
      rows: RowSelection(
        storedCount: 3 * c.queryWidth, start: index * head, run: head, stride: 3 * head))
  }
  return CheckpointNames(
    prefixes: ["gpt_neox."], embedding: "embed_in", finalNorm: "final_layer_norm",
    head: StoredPart("embed_out"), headHasPrefix: false, layers: "layers.",
    parts: [
      .query: attention(0), .key: attention(1), .value: attention(2),
      .attentionOutput: StoredPart("attention.dense"),
      .up: StoredPart("mlp.dense_h_to_4h"), .down: StoredPart("mlp.dense_4h_to_h"),
    ])
}
