// What most decoders' config.json says under the same keys, with the defaults of each model class in
// transformers: sizes, norm, rotary embedding, activation, special tokens. A family starts from this
// and sets what it has beyond it. Refuses sizes that contradict each other.

import Checkpoints
import JSON

extension CausalLMConfiguration {
  /// What a model class assumes where config.json has no such key.
  struct Defaults {
    /// Integers by key.
    var integers: [String: Int] = [:]
    var epsilon: Float = 1e-6
    var epsilonKey = "rms_norm_eps"
    var rotary = RotaryEmbedding.Defaults()
    var activation = "silu"
    var activationKey = "hidden_act"
    var tiedEmbeddings = false
    var bos: Int32? = 1
    var eos: [Int32] = [2]
  }

  /// A decoder with norms by root mean square before attention and a gated feed-forward, rotary
  /// embeddings over all of a head, nothing special.
  init(common file: ConfigurationFile, architecture: String, _ defaults: Defaults)
    throws(ModelError)
  {
    func integer(_ key: String, _ limits: ClosedRange<Int>) throws(ModelError) -> Int {
      if let value = try file.integer(key, in: limits) { return value }
      guard let value = defaults.integers[key] else { throw file.refusal(key, "it is missing") }
      return value
    }
    let hidden = try integer("hidden_size", SizeLimits.hidden)
    let heads = try integer("num_attention_heads", SizeLimits.heads)
    let keyValueHeads =
      try file.integer("num_key_value_heads", in: SizeLimits.heads)
      ?? (file.root["num_key_value_heads"] == nil ? defaults.integers["num_key_value_heads"] : nil)
      ?? heads
    guard heads % keyValueHeads == 0 else {
      throw file.refusal(
        "num_key_value_heads", "\(keyValueHeads) does not divide num_attention_heads \(heads)")
    }
    let headDimension = try file.headDimension(
      hidden: hidden, heads: heads, default: defaults.integers["head_dim"])
    let layerCount = try integer("num_hidden_layers", SizeLimits.layers)
    self.init(
      architecture: architecture,
      vocabularySize: try integer("vocab_size", SizeLimits.vocabulary),
      contextLength: try file.integer("max_position_embeddings", in: SizeLimits.context)
        ?? defaults.integers["max_position_embeddings"] ?? 2048,
      hiddenSize: hidden,
      intermediateSize: try integer("intermediate_size", SizeLimits.intermediate),
      headCount: heads, keyValueHeadCount: keyValueHeads, headDimension: headDimension,
      layers: Array(repeating: Layer(), count: layerCount),
      normalization: .rms(
        epsilon: try file.float(defaults.epsilonKey, in: SizeLimits.epsilon) ?? defaults.epsilon),
      tiedEmbeddings: try file.bool("tie_word_embeddings") ?? defaults.tiedEmbeddings,
      rotary: [],
      attentionScale: 1 / Float(headDimension).squareRoot(),
      feedForward: .gated(
        try file.activation(defaults.activationKey, default: defaults.activation)),
      bosTokenID: try file.tokenIDs("bos_token_id", default: defaults.bos.map { [$0] } ?? []).first,
      eosTokenIDs: try file.tokenIDs("eos_token_id", default: defaults.eos))
  }

  /// The usual one rotary embedding for all layers.
  mutating func setRotary(_ file: ConfigurationFile, _ defaults: Defaults) throws(ModelError) {
    rotary = [
      try RotaryEmbedding(file, headDimension: headDimension, defaults: defaults.rotary)
    ]
  }
}

extension ConfigurationFile {
  /// A key that is absent has a model class's default; one that is null stands for none.
  func tokenIDs(_ key: String, default ids: [Int32]) throws(ModelError) -> [Int32] {
    root[key] == nil ? ids : try tokenIDs(key) ?? []
  }

  /// head_dim need not be hidden_size / num_attention_heads.
  fileprivate func headDimension(hidden: Int, heads: Int, default fallback: Int?)
    throws(ModelError) -> Int
  {
    let given = try integer("head_dim", in: SizeLimits.headDimension)
    let fallback = root["head_dim"] == nil ? fallback : nil
    guard given != nil || fallback != nil || hidden % heads == 0 else {
      throw refusal(
        "num_attention_heads",
        "\(heads) does not divide hidden_size \(hidden), and head_dim is missing")
    }
    let dimension = given ?? fallback ?? hidden / heads
    guard dimension % 2 == 0, SizeLimits.headDimension.contains(dimension) else {
      throw refusal("head_dim", "\(dimension) cannot be split into pairs to be rotated")
    }
    return dimension
  }

  /// By the names of transformers' ACT2FN.
  func activation(_ key: String, default name: String) throws(ModelError)
    -> CausalLMConfiguration.Activation
  {
    let name = try string(key) ?? name
    switch name {
    case "silu", "swish": return .silu
    case "gelu", "gelu_python": return .gelu
    case "gelu_new", "gelu_pytorch_tanh", "gelu_fast": return .geluTanh
    default:
      throw unsupported(
        key, name, supported: ["silu", "gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast"])
    }
  }

  /// The window of layers that have one: null for none, absent for a model class's default.
  func slidingWindow(default window: Int? = nil) throws(ModelError) -> Int? {
    let key = "sliding_window"
    return root[key] == nil ? window : try integer(key, in: SizeLimits.context)
  }

  /// Which layers have a window: as `layer_types` lists them, or else as `isSliding` says.
  func slidingLayers(count: Int, _ isSliding: (Int) -> Bool) throws(ModelError) -> [Bool] {
    let key = "layer_types"
    guard let value = self[key] else { return (0..<count).map(isSliding) }
    guard let types = value.array, types.count == count else {
      throw refusal(key, "it must list the kind of each of the \(count) layers")
    }
    var result: [Bool] = []
    for type in types {
      switch type.string {
      case "sliding_attention": result.append(true)
      case "full_attention": result.append(false)
      default:
        throw unsupported(
          key, type.string ?? type.description,
          supported: ["full_attention", "sliding_attention"])
      }
    }
    return result
  }

  /// Refuses a switch that asks for what there is no code for.
  func refuse(_ key: String, unless value: Bool) throws(ModelError) {
    if let found = try bool(key), found != value {
      throw unsupported(key, "\(found)", supported: ["\(value)"])
    }
  }
}
