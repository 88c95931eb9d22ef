// The BERT family (transformers: models/bert): learnt positions, post-norm blocks with biases, exact
// gelu. Refuses other kinds of encoders, and what config.json may ask for beyond that.

import JSON

extension TextEncoderConfiguration {
  /// By `model_type` in config.json, as transformers' AutoModel goes: `architectures` there may name
  /// any head that the checkpoint was trained with.
  static let knownModelTypes = ["bert"]

  init(_ file: ConfigurationFile) throws(ModelError) {
    let type = try file.string("model_type") ?? file["architectures"]?[0]?.string ?? "unnamed"
    guard Self.knownModelTypes.contains(type) else {
      throw .unknownArchitecture(name: type, path: file.path, known: Self.knownModelTypes)
    }
    for (key, only) in [("hidden_act", "gelu"), ("position_embedding_type", "absolute")] {
      let value = try file.string(key) ?? only
      guard value == only else { throw file.unsupported(key, value, supported: [only]) }
    }
    guard try file.bool("is_decoder") != true else {
      throw file.unsupported("is_decoder", "true", supported: ["false"])
    }
    hiddenSize = try file.requiredInteger("hidden_size", in: SizeLimits.hidden)
    headCount = try file.requiredInteger("num_attention_heads", in: SizeLimits.heads)
    guard hiddenSize % headCount == 0 else {
      throw file.refusal(
        "num_attention_heads", "\(headCount) does not divide hidden_size \(hiddenSize)")
    }
    vocabularySize = try file.requiredInteger("vocab_size", in: SizeLimits.vocabulary)
    positionCount = try file.requiredInteger("max_position_embeddings", in: SizeLimits.positions)
    typeCount = try file.integer("type_vocab_size", in: 1...1024) ?? 2
    layerCount = try file.requiredInteger("num_hidden_layers", in: SizeLimits.layers)
    intermediateSize = try file.requiredInteger("intermediate_size", in: SizeLimits.intermediate)
    epsilon = try file.float("layer_norm_eps", in: SizeLimits.epsilon) ?? 1e-12
  }
}

extension EncoderTensorNames {
  /// Checkpoints of a model with a head on top carry a prefix in front of every name.
  static let prefixes = ["", "bert."]

  static func bert(prefix: String) -> EncoderTensorNames {
    EncoderTensorNames(
      words: prefix + "embeddings.word_embeddings.weight",
      positions: prefix + "embeddings.position_embeddings.weight",
      types: prefix + "embeddings.token_type_embeddings.weight",
      embeddingNorm: prefix + "embeddings.LayerNorm",
      layers: prefix + "encoder.layer.",
      query: "attention.self.query", key: "attention.self.key", value: "attention.self.value",
      attentionOutput: "attention.output.dense", attentionNorm: "attention.output.LayerNorm",
      up: "intermediate.dense", down: "output.dense", outputNorm: "output.LayerNorm")
  }

  /// The names that a checkpoint goes by.
  static func of(_ checkpoint: Checkpoint) -> EncoderTensorNames {
    let candidates = prefixes.map { bert(prefix: $0) }
    return candidates.first { checkpoint.contains($0.words) } ?? bert(prefix: "")
  }
}
