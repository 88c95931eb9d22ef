// The Llama family (transformers: models/llama): RMS norm before each block, grouped-query
// attention with half-split rotary embeddings, gated SiLU. Refuses what config.json may ask for
// beyond that, by the key's name.

extension ModelFamily {
  static let llama = ModelFamily(
    configuration: llamaConfiguration,
    tensorNames: TensorNames(
      embedding: "model.embed_tokens.weight", finalNorm: "model.norm.weight",
      head: "lm_head.weight", layers: "model.layers.", inputNorm: "input_layernorm",
      query: "self_attn.q_proj", key: "self_attn.k_proj", value: "self_attn.v_proj",
      attentionOutput: "self_attn.o_proj", feedForwardNorm: "post_attention_layernorm",
      gate: "mlp.gate_proj", up: "mlp.up_proj", down: "mlp.down_proj"))
}

private func llamaConfiguration(_ file: ConfigurationFile) throws(ModelError)
  -> CausalLMConfiguration
{
  try refuseUnsupported(file)
  let hidden = try file.requiredInteger("hidden_size", in: SizeLimits.hidden)
  let heads = try file.requiredInteger("num_attention_heads", in: SizeLimits.heads)
  let keyValueHeads = try file.integer("num_key_value_heads", in: SizeLimits.heads) ?? heads
  guard heads % keyValueHeads == 0 else {
    throw file.refusal(
      "num_key_value_heads", "\(keyValueHeads) does not divide num_attention_heads \(heads)")
  }
  let headDimension = try headDimension(file, hidden: hidden, heads: heads)
  let attentionBias = try file.bool("attention_bias") ?? false
  return CausalLMConfiguration(
    architecture: "LlamaForCausalLM",
    vocabularySize: try file.requiredInteger("vocab_size", in: SizeLimits.vocabulary),
    contextLength: try file.integer("max_position_embeddings", in: SizeLimits.context) ?? 2048,
    layerCount: try file.requiredInteger("num_hidden_layers", in: SizeLimits.layers),
    hiddenSize: hidden,
    intermediateSize: try file.requiredInteger("intermediate_size", in: SizeLimits.intermediate),
    headCount: heads, keyValueHeadCount: keyValueHeads, headDimension: headDimension,
    normalization: .rms(epsilon: try file.float("rms_norm_eps", in: SizeLimits.epsilon) ?? 1e-6),
    rotary: try RotaryEmbedding(file), feedForward: .gated(.silu),
    attentionScale: 1 / Float(headDimension).squareRoot(), attentionBias: attentionBias,
    feedForwardBias: try file.bool("mlp_bias") ?? false,
    tiedEmbeddings: try file.bool("tie_word_embeddings") ?? false,
    bosTokenID: try tokenIDs(file, "bos_token_id", default: 1).first,
    eosTokenIDs: try tokenIDs(file, "eos_token_id", default: 2),
    generationDefaults: GenerationDefaults())
}

/// A key that is absent has transformers' default; one that is null stands for none.
private func tokenIDs(_ file: ConfigurationFile, _ key: String, default id: Int32)
  throws(ModelError) -> [Int32]
{
  file.root[key] == nil ? [id] : try file.tokenIDs(key) ?? []
}

/// head_dim need not be hidden_size / num_attention_heads.
private func headDimension(_ file: ConfigurationFile, hidden: Int, heads: Int) throws(ModelError)
  -> Int
{
  let given = try file.integer("head_dim", in: SizeLimits.headDimension)
  guard given != nil || hidden % heads == 0 else {
    throw file.refusal(
      "num_attention_heads",
      "\(heads) does not divide hidden_size \(hidden), and head_dim is missing")
  }
  let dimension = given ?? hidden / heads
  guard dimension % 2 == 0, SizeLimits.headDimension.contains(dimension) else {
    throw file.refusal("head_dim", "\(dimension) cannot be split into pairs to be rotated")
  }
  return dimension
}

private func refuseUnsupported(_ file: ConfigurationFile) throws(ModelError) {
  let activation = try file.string("hidden_act") ?? "silu"
  guard activation == "silu" else {
    throw file.unsupported("hidden_act", activation, supported: ["silu"])
  }
  let rotary = try file.object("rope_parameters") ?? file
  let share = try rotary.float("partial_rotary_factor", in: 0...1) ?? 1
  guard share == 1 else {
    throw file.unsupported("partial_rotary_factor", "\(share)", supported: ["1"])
  }
}
