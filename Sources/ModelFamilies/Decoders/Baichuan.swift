// Baichuan and Baichuan 2 (their own modeling_baichuan.py; transformers has no code for them): Llama with
// queries, keys and values in one matrix. The 13B models, whose config.json has no
// `max_position_embeddings`, have slopes on scores (ALiBi) instead of rotary embeddings; the second
// generation divides the rows of its head by their length.

import Checkpoints
import Glibc

extension ModelFamily {
  static let baichuan = ModelFamily(configuration: baichuanConfiguration, names: baichuanNames)
}

/// Of the first generation, whose head is an ordinary one.
private let firstVocabularySize = 64_000

private func baichuanConfiguration(_ file: ConfigurationFile) throws(ModelError)
  -> CausalLMConfiguration
{
  let defaults = CausalLMConfiguration.Defaults()
  var c = try CausalLMConfiguration(common: file, architecture: "BaichuanForCausalLM", defaults)
  guard c.keyValueHeadCount == c.headCount else {
    throw file.refusal("num_key_value_heads", "Baichuan has as many as num_attention_heads")
  }
  guard try file.integer("max_position_embeddings", in: SizeLimits.context) == nil else {
    try c.setRotary(file, defaults)
    return c
  }
  c.contextLength = try file.integer("model_max_length", in: SizeLimits.context) ?? 4096
  c.scoreSlopes = slopes(headCount: c.headCount)
  for index in c.layers.indices { c.layers[index].rotary = nil }
  return c
}

/// Powers of 2^(-8/n) for n heads; where n is no power of two, those of the next lower one and then
/// every other one of the next higher (arXiv:2108.12409, as its authors' code has it).
private func slopes(headCount: Int) -> [Float] {
  func powers(_ count: Int) -> [Float] {
    let first = exp2(-8 / Double(count))
    return (1...count).map { Float(pow(first, Double($0))) }
  }
  var lower = 1
  while lower * 2 <= headCount { lower *= 2 }
  guard lower < headCount else { return powers(headCount) }
  let higher = powers(2 * lower)
  return powers(lower) + (0..<headCount - lower).map { higher[2 * $0] }
}

private func baichuanNames(_ c: CausalLMConfiguration) -> CheckpointNames {
  func attention(_ index: Int) -> StoredPart {
    StoredPart(
      "self_attn.W_pack",
      rows: .slice(start: index * c.queryWidth, count: c.queryWidth, of: 3 * c.queryWidth))
  }
  return CheckpointNames(
    head: StoredPart(TensorName.head, normalized: c.vocabularySize != firstVocabularySize),
    parts: [.query: attention(0), .key: attention(1), .value: attention(2)])
}
