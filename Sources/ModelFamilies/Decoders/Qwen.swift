// The first Qwen (Qwen/Qwen-7B's own modeling_qwen.py; transformers has no code for it): Llama with
// biases on queries, keys and values, which lie in one matrix, and names of its own. Sequences end
// where its training did: what its code does beyond that (`use_dynamic_ntk`, `use_logn_attn`)
// depends on how long the prompt was. Refuses biases elsewhere.

import Checkpoints

extension ModelFamily {
  static let qwen = ModelFamily(configuration: qwenConfiguration, names: qwenNames)
}

private func qwenConfiguration(_ given: ConfigurationFile) throws(ModelError)
  -> CausalLMConfiguration
{
  let file = given.renaming([
    "layer_norm_epsilon": "rms_norm_eps", "rotary_emb_base": "rope_theta",
    "rotary_pct": "partial_rotary_factor", "kv_channels": "head_dim",
  ])
  try file.refuse("no_bias", unless: true)
  try file.refuse("scale_attn_weights", unless: true)
  let defaults = CausalLMConfiguration.Defaults(
    integers: ["max_position_embeddings": 8192], bos: nil, eos: [151_643])
  var c = try CausalLMConfiguration(common: file, architecture: "QWenLMHeadModel", defaults)
  try c.setRotary(file, defaults)
  // The configuration counts gate and up together.
  guard c.intermediateSize % 2 == 0 else {
    throw file.refusal("intermediate_size", "\(c.intermediateSize) is odd")
  }
  c.intermediateSize /= 2
  c.queryKeyValueBias = true
  let trained = try file.integer("seq_length", in: SizeLimits.context) ?? c.contextLength
  c.contextLength = min(c.contextLength, trained)
  return c
}

private func qwenNames(_ c: CausalLMConfiguration) -> CheckpointNames {
  func attention(_ index: Int) -> StoredPart {
    StoredPart(
      "attn.c_attn",
      rows: .slice(start: index * c.queryWidth, count: c.queryWidth, of: 3 * c.queryWidth))
  }
  return CheckpointNames(
    prefixes: ["transformer."], embedding: "wte", finalNorm: "ln_f", headHasPrefix: false,
    layers: "h.",
    parts: [
      .inputNorm: StoredPart("ln_1"), .feedForwardNorm: StoredPart("ln_2"),
      .query: attention(0), .key: attention(1), .value: attention(2),
      .attentionOutput: StoredPart("attn.c_proj"),
      .gate: StoredPart("mlp.w2"), .up: StoredPart("mlp.w1"), .down: StoredPart("mlp.c_proj"),
    ])
}
