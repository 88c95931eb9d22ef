// GPT-2 (transformers: models/gpt2): learnt positions, norms by mean and variance, biases everywhere,
// two-layer feed-forward, all matrices stored transposed and queries, keys and values in one. The
// hub's own checkpoints have names without a prefix. Refuses attention to another model, and scores
// that are scaled by layer.

import Checkpoints
import JSON

extension ModelFamily {
  static let gpt2 = ModelFamily(configuration: gpt2Configuration, names: gpt2Names)
}

private func gpt2Configuration(_ given: ConfigurationFile) throws(ModelError)
  -> CausalLMConfiguration
{
  let file = given.renaming([
    "n_embd": "hidden_size", "n_layer": "num_hidden_layers", "n_head": "num_attention_heads",
    "n_positions": "max_position_embeddings", "n_inner": "intermediate_size",
    "layer_norm_epsilon": "layer_norm_eps", "activation_function": "hidden_act",
  ])
  try file.refuse("add_cross_attention", unless: false)
  try file.refuse("scale_attn_by_inverse_layer_idx", unless: false)
  let hidden = try file.integer("hidden_size", in: SizeLimits.hidden) ?? 768
  let positions = try file.integer("max_position_embeddings", in: SizeLimits.positions) ?? 1024
  let defaults = CausalLMConfiguration.Defaults(
    integers: [
      "vocab_size": 50257, "hidden_size": hidden, "intermediate_size": 4 * hidden,
      "num_hidden_layers": 12, "num_attention_heads": 12, "max_position_embeddings": positions,
    ],
    epsilon: 1e-5, epsilonKey: "layer_norm_eps", activation: "gelu_new", tiedEmbeddings: true,
    bos: 50256, eos: [50256])
  var c = try CausalLMConfiguration(common: file, architecture: "GPT2LMHeadModel", defaults)
  c.setPlainBlocks(
    epsilon: try file.float("layer_norm_eps", in: SizeLimits.epsilon) ?? defaults.epsilon)
  c.learntPositionCount = positions
  c.layers = c.layers.map { _ in .init(rotary: nil) }
  c.queryKeyValueBias = true
  c.attentionOutputBias = true
  if try file.bool("scale_attn_weights") == false { c.attentionScale = 1 }
  return c
}

extension CausalLMConfiguration {
  /// Norms by mean and variance, and a feed-forward of two layers with biases.
  mutating func setPlainBlocks(epsilon: Float) {
    normalization = .layer(epsilon: epsilon)
    if case .gated(let activation) = feedForward { feedForward = .plain(activation) }
    feedForwardBias = true
  }
}

private func gpt2Names(_ c: CausalLMConfiguration) -> CheckpointNames {
  let width = c.hiddenSize
  func attention(_ index: Int) -> StoredPart {
    StoredPart(
      "attn.c_attn", rows: .slice(start: index * width, count: width, of: 3 * width),
      transposed: true)
  }
  return CheckpointNames(
    prefixes: ["", "transformer."], embedding: "wte", positions: "wpe", finalNorm: "ln_f",
    headHasPrefix: false, layers: "h.",
    parts: [
      .inputNorm: StoredPart("ln_1"), .feedForwardNorm: StoredPart("ln_2"),
      .query: attention(0), .key: attention(1), .value: attention(2),
      .attentionOutput: StoredPart("attn.c_proj", transposed: true),
      .up: StoredPart("mlp.c_fc", transposed: true),
      .down: StoredPart("mlp.c_proj", transposed: true),
    ])
}
