// ChatGLM3, and GLM-4 in its first form (their own modeling_chatglm.py; transformers has no code for
// these names): Llama with few key/value heads, queries, keys and values in one matrix, gate and up in
// another, and rotary embeddings that turn neighbouring values of the first half of each head. Rows
// are put into this program's order when they are read. Refuses variants that no published model is.

import Checkpoints
import JSON

extension ModelFamily {
  static let chatGLM = ModelFamily(configuration: chatGLMConfiguration, names: chatGLMNames)
}

private func chatGLMConfiguration(_ given: ConfigurationFile) throws(ModelError)
  -> CausalLMConfiguration
{
  let file = given.renaming([
    "padded_vocab_size": "vocab_size", "num_layers": "num_hidden_layers",
    "ffn_hidden_size": "intermediate_size", "kv_channels": "head_dim",
    "layernorm_epsilon": "rms_norm_eps", "seq_length": "max_position_embeddings",
    "multi_query_group_num": "num_key_value_heads",
  ])
  for (key, only) in [
    ("rmsnorm", true), ("post_layer_norm", true), ("original_rope", true),
    ("multi_query_attention", true), ("apply_residual_connection_post_layernorm", false),
  ] { try file.refuse(key, unless: only) }
  guard file["pre_seq_len"] == nil else {
    throw file.unsupported("pre_seq_len", "set", supported: ["null"])
  }
  let defaults = CausalLMConfiguration.Defaults(epsilon: 1e-5, bos: nil)
  var c = try CausalLMConfiguration(common: file, architecture: "ChatGLMModel", defaults)
  guard c.headDimension % 4 == 0 else {
    throw file.refusal("head_dim", "half of \(c.headDimension) cannot be split into pairs")
  }
  let ratio = try file.float("rope_ratio", in: SizeLimits.scalingFactor) ?? 1
  // ChatGLM2's code divides positions by it, under the same architecture's name.
  guard ratio == 1 || file["_name_or_path"]?.string?.contains("chatglm2") != true else {
    throw file.unsupported("rope_ratio", "\(ratio) of ChatGLM2", supported: ["1"])
  }
  c.rotary = [
    RotaryEmbedding(width: c.headDimension / 2, base: 10_000 * ratio, scaling: .none)
  ]
  let hasBias = try file.bool("add_bias_linear") ?? false
  c.queryKeyValueBias = try file.bool("add_qkv_bias") ?? false || hasBias
  c.attentionOutputBias = hasBias
  c.feedForwardBias = hasBias
  return c
}

private func chatGLMNames(_ c: CausalLMConfiguration) -> CheckpointNames {
  let (queries, keys, inner) = (c.queryWidth, c.keyValueWidth, c.intermediateSize)
  let (all, head) = (queries + 2 * keys, c.headDimension)
  func rotated(_ start: Int) -> StoredPart {
    StoredPart(
      "self_attention.query_key_value",
      rows: RowSelection(
        storedCount: all, start: start, run: head, stride: head, interleaved: head / 2))
  }
  func feedForward(_ start: Int) -> StoredPart {
    StoredPart("mlp.dense_h_to_4h", rows: .slice(start: start, count: inner, of: 2 * inner))
  }
  return CheckpointNames(
    prefixes: ["transformer."], embedding: "embedding.word_embeddings",
    finalNorm: "encoder.final_layernorm", head: StoredPart("output_layer"),
    layers: "encoder.layers.",
    parts: [
      .query: rotated(0), .key: rotated(queries),
      .value: StoredPart(
        "self_attention.query_key_value",
        rows: .slice(start: queries + keys, count: keys, of: all)),
      .attentionOutput: StoredPart("self_attention.dense"),
      .gate: feedForward(0), .up: feedForward(inner), .down: StoredPart("mlp.dense_4h_to_h"),
    ])
}
