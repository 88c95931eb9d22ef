// Phi-3, Phi-3.5 and Phi-4 (transformers: models/phi3): Llama with queries, keys and values in one
// matrix and gate and up in another; longrope, partial in Phi-4-mini; a window in Phi-3-mini-4k.

import Checkpoints

extension ModelFamily {
  static let phi3 = ModelFamily(configuration: phi3Configuration, names: phi3Names)
}

private func phi3Configuration(_ file: ConfigurationFile) throws(ModelError)
  -> CausalLMConfiguration
{
  let defaults = CausalLMConfiguration.Defaults(
    integers: ["max_position_embeddings": 4096], epsilon: 1e-5,
    // Older files say "su", or "yarn", of the same thing.
    rotary: .init(aliases: ["su": "longrope", "yarn": "longrope"]), eos: [32000])
  var c = try CausalLMConfiguration(common: file, architecture: "Phi3ForCausalLM", defaults)
  try c.setRotary(file, defaults)
  let window = try file.slidingWindow()
  for index in c.layers.indices { c.layers[index].window = window }
  return c
}

private func phi3Names(_ c: CausalLMConfiguration) -> CheckpointNames {
  let (queries, keys, inner) = (c.queryWidth, c.keyValueWidth, c.intermediateSize)
  let all = queries + 2 * keys
  func attention(_ start: Int, _ count: Int) -> StoredPart {
    StoredPart("self_attn.qkv_proj", rows: .slice(start: start, count: count, of: all))
  }
  func feedForward(_ start: Int) -> StoredPart {
    StoredPart("mlp.gate_up_proj", rows: .slice(start: start, count: inner, of: 2 * inner))
  }
  return CheckpointNames(parts: [
    .query: attention(0, queries), .key: attention(queries, keys),
    .value: attention(queries + keys, keys),
    .gate: feedForward(0), .up: feedForward(inner),
  ])
}
