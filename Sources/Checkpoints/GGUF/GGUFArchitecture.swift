// How a GGUF file's metadata become the config.json of a Hugging Face model, and what that model's
// tensors are called there. A new architecture is one line below where its names are the usual ones.
// Refuses architectures that it doesn't know and experts, by key.

import JSON

struct GGUFArchitecture: Sendable {
  /// As config.json has it.
  let name: String
  private let headCount: Int
  private let keyValueHeadCount: Int
  private let entry: Entry

  private static let key = "general.architecture"

  fileprivate struct Entry: Sendable {
    /// config.json's architecture.
    let name: String
    /// llama.cpp interleaves the halves of queries and keys.
    var isInterleaved = false
    /// Other names of layers' tensors than the usual ones.
    var layerNames: [String: String] = [:]
    /// Norms' weights have one added to them, and some settings go without saying.
    var isGemma = false
    /// Of models with so many layers, scores are scaled by their hidden size over their heads.
    var layersOfLargest = 0
    var hasWindow = false
  }

  private static let normsAround = [
    "post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
  ]

  /// By `general.architecture`.
  private static let known: [String: Entry] = [
    "gemma": Entry(name: "GemmaForCausalLM", isGemma: true),
    "gemma2": Entry(
      name: "Gemma2ForCausalLM", layerNames: normsAround, isGemma: true, layersOfLargest: 46,
      hasWindow: true),
    "gemma3": Entry(
      name: "Gemma3ForCausalLM", layerNames: normsAround, isGemma: true, layersOfLargest: 62,
      hasWindow: true),
    "llama": Entry(name: "LlamaForCausalLM", isInterleaved: true),
    "phi3": Entry(
      name: "Phi3ForCausalLM",
      layerNames: ["self_attn.qkv_proj": "attn_qkv", "mlp.gate_up_proj": "ffn_up"],
      hasWindow: true),
    "qwen2": Entry(name: "Qwen2ForCausalLM"),
    "qwen3": Entry(name: "Qwen3ForCausalLM"),
  ]

  static func of(_ gguf: GGUFFile) throws(ModelError) -> GGUFArchitecture {
    let metadata = gguf.metadata
    guard let id = try metadata.string(key) else { throw metadata.refusal(key, "it is missing") }
    guard let entry = known[id] else {
      throw .unknownArchitecture(name: id, path: gguf.path, known: known.keys.sorted())
    }
    let heads = try required(metadata, id + ".attention.head_count", SizeLimits.heads)
    let keyValueHeads = try metadata.integer(
      id + ".attention.head_count_kv", in: SizeLimits.heads)
    return GGUFArchitecture(
      name: entry.name, headCount: heads, keyValueHeadCount: keyValueHeads ?? heads, entry: entry)
  }

  private static func required(
    _ metadata: GGUFMetadata, _ key: String, _ limits: ClosedRange<Int>
  ) throws(ModelError) -> Int {
    guard let number = try metadata.integer(key, in: limits) else {
      throw metadata.refusal(key, "it is missing")
    }
    return number
  }

  // Tensors ----------------------------------------------------------------------------------------

  private static let names = [
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
  ]

  private static let layerNames = [
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
  ]

  /// `blk.0.attn_q.weight` of `model.layers.0.self_attn.q_proj.weight`; nil for names that no file
  /// has.
  func tensorName(_ name: String) -> String? {
    guard let dot = name.lastIndex(of: ".") else { return nil }
    let (stem, ending) = (String(name[..<dot]), name[dot...])
    if let found = Self.names[stem] { return found + ending }
    let prefix = "model.layers."
    guard stem.hasPrefix(prefix) else { return nil }
    let parts = stem.dropFirst(prefix.count).split(separator: ".", maxSplits: 1)
    guard parts.count == 2,
      let found = entry.layerNames[String(parts[1])] ?? Self.layerNames[String(parts[1])]
    else { return nil }
    return "blk.\(parts[0]).\(found)\(ending)"
  }

  /// How the rows of a tensor with so many lie in the file, where they are interleaved.
  func selection(of name: String, rows: Int) -> RowSelection? {
    guard entry.isInterleaved else { return nil }
    var heads = headCount
    if name.contains(".self_attn.k_proj.") {
      heads = keyValueHeadCount
    } else if !name.contains(".self_attn.q_proj.") {
      return nil
    }
    let run = rows / heads
    return RowSelection(storedCount: rows, run: run, stride: run, interleaved: run)
  }

  // Configuration ----------------------------------------------------------------------------------

  /// config.json's key of what follows the architecture's name in the metadata.
  private static let integerKeys = [
    "block_count": "num_hidden_layers", "embedding_length": "hidden_size",
    "feed_forward_length": "intermediate_size", "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads", "context_length": "max_position_embeddings",
    "attention.key_length": "head_dim",
  ]

  /// The model's config.json.
  static func configuration(_ gguf: GGUFFile) throws(ModelError) -> ConfigurationFile {
    let (metadata, architecture) = (gguf.metadata, try of(gguf))
    let prefix = (try metadata.string(key) ?? "") + "."
    if let count = try metadata.integer(prefix + "expert_count", in: 0...Int.max), count > 0 {
      throw metadata.refusal(prefix + "expert_count", "mixtures of experts are not read from GGUF")
    }
    var root: JSONObject = ["architectures": [.string(architecture.name)]]
    for (theirs, ours) in integerKeys {
      guard let value = try metadata.integer(prefix + theirs, in: 0...Int(Int32.max)) else {
        continue
      }
      root[ours] = .integer(Int64(value))
    }
    guard let embedding = gguf.tensors["token_embd.weight"], embedding.shape.count == 2 else {
      throw .missingTensor(name: "token_embd.weight", path: gguf.path)
    }
    root["vocab_size"] = .integer(Int64(embedding.shape[0]))
    root["tie_word_embeddings"] = .bool(gguf.tensors["output.weight"] == nil)
    root["attention_bias"] = .bool(gguf.tensors["blk.0.attn_q.bias"] != nil)
    root["rms_norm_eps"] = try number(metadata, prefix + "attention.layer_norm_rms_epsilon")
    root["rope_theta"] = try number(metadata, prefix + "rope.freq_base")
    root["rope_scaling"] = try ropeScaling(gguf, prefix)
    try architecture.entry.addSettings(metadata, prefix, to: &root)
    try addTokens(metadata, to: &root)
    try addRotatedShare(metadata, prefix, to: &root)
    return ConfigurationFile(path: gguf.path, root: root, keyNames: keyNames(prefix))
  }

  /// What errors call config.json's keys.
  private static func keyNames(_ prefix: String) -> [String: String] {
    var names = [
      "rms_norm_eps": prefix + "attention.layer_norm_rms_epsilon",
      "rope_theta": prefix + "rope.freq_base", "architectures": key,
      "bos_token_id": "tokenizer.ggml.bos_token_id",
      "eos_token_id": "tokenizer.ggml.eos_token_id",
    ]
    for (theirs, ours) in integerKeys { names[ours] = prefix + theirs }
    return names
  }

  private static func number(_ metadata: GGUFMetadata, _ key: String) throws(ModelError)
    -> JSONValue?
  {
    switch metadata[key] {
    case nil: return nil
    case .float(let value): return .double(value)
    case .integer(let value): return .integer(Int64(value))
    default: throw metadata.refusal(key, "it must be a number")
    }
  }

  private static func addTokens(_ metadata: GGUFMetadata, to root: inout JSONObject)
    throws(ModelError)
  {
    let ids = 0...Int(Int32.max)
    let bos = try metadata.integer("tokenizer.ggml.bos_token_id", in: ids)
    root["bos_token_id"] = bos.map { .integer(Int64($0)) } ?? .null
    var ends: [JSONValue] = []
    for key in ["eos_token_id", "eot_token_id"] {
      guard let id = try metadata.integer("tokenizer.ggml." + key, in: ids) else { continue }
      if !ends.contains(.integer(Int64(id))) { ends.append(.integer(Int64(id))) }
    }
    root["eos_token_id"] = .array(ends)
  }

  /// Factors by which frequencies are divided come as a tensor where the model scales them so.
  private static func ropeScaling(_ gguf: GGUFFile, _ prefix: String) throws(ModelError)
    -> JSONValue?
  {
    let metadata = gguf.metadata
    if let factors = try factors("rope_freqs.weight", in: gguf) {
      return ["rope_type": "factors", "factors": factors]
    }
    if let long = try factors("rope_factors_long.weight", in: gguf),
      let short = try factors("rope_factors_short.weight", in: gguf)
    {
      var scaling: JSONObject = ["rope_type": "longrope"]
      scaling["long_factor"] = long
      scaling["short_factor"] = short
      scaling["original_max_position_embeddings"] = try number(
        metadata, prefix + "rope.scaling.original_context_length")
      scaling["attention_factor"] = try number(metadata, prefix + "rope.scaling.attn_factor")
      return .object(scaling)
    }
    let type = try metadata.string(prefix + "rope.scaling.type") ?? "none"
    guard type != "none" else { return nil }
    var scaling: JSONObject = ["rope_type": .string(type)]
    scaling["factor"] = try number(metadata, prefix + "rope.scaling.factor")
    scaling["original_max_position_embeddings"] = try number(
      metadata, prefix + "rope.scaling.original_context_length")
    return .object(scaling)
  }

  private static func factors(_ name: String, in gguf: GGUFFile) throws(ModelError) -> JSONValue? {
    guard let tensor = gguf.tensors[name] else { return nil }
    guard tensor.type == .float32, tensor.shape.count == 1,
      let elements = GGUFCheckpoint.elements(of: tensor, in: gguf)
    else {
      throw .unsupportedElementType(
        tensor: name, path: gguf.path, found: tensor.type.description)
    }
    let factors = CheckpointTensor(
      name: name, path: gguf.path, shape: tensor.shape, elements: elements
    ).values()
    return .array(factors.map { .double(Double($0)) })
  }

  /// How much of each head is rotated, where that is not all of it.
  private static func addRotatedShare(
    _ metadata: GGUFMetadata, _ prefix: String, to root: inout JSONObject
  ) throws(ModelError) {
    let key = prefix + "rope.dimension_count"
    guard let rotated = try metadata.integer(key, in: 0...Int(Int32.max)),
      let hidden = root["hidden_size"]?.int, let heads = root["num_attention_heads"]?.int
    else { return }
    let width = root["head_dim"]?.int ?? hidden / max(1, heads)
    guard rotated != width else { return }
    guard root["architectures"]?[0] == "Phi3ForCausalLM", rotated < width else {
      throw metadata.refusal(key, "only \(rotated) of \(width) values of a head are rotated")
    }
    // Half a value more, so that the product is not rounded down below it.
    root["partial_rotary_factor"] = .double((Double(rotated) + 0.5) / Double(width))
  }
}

extension GGUFArchitecture.Entry {
  /// What config.json would say beyond what all architectures have.
  fileprivate func addSettings(
    _ metadata: GGUFMetadata, _ prefix: String, to root: inout JSONObject
  ) throws(ModelError) {
    if hasWindow {
      let key = prefix + "attention.sliding_window"
      if let window = try metadata.integer(key, in: 0...Int(Int32.max)), window > 0 {
        root["sliding_window"] = .integer(Int64(window))
      }
    }
    guard isGemma else { return }
    root["norm_weight_offset"] = 0
    for key in ["attn_logit_softcapping", "final_logit_softcapping"] {
      if case .float(let cap) = metadata[prefix + key] { root[key] = .double(cap) }
    }
    guard let hidden = root["hidden_size"]?.int, let heads = root["num_attention_heads"]?.int,
      heads > 0
    else { return }
    let isLargest = root["num_hidden_layers"]?.int == layersOfLargest
    let head = root["head_dim"]?.int ?? hidden / heads
    root["query_pre_attn_scalar"] = .integer(Int64(isLargest ? hidden / heads : head))
  }
}
