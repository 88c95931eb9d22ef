// adapter_config.json of a PEFT adapter: which method, with which settings. Every key is one that is
// read here, one that only training needs or that the model tells anyway, or off: a setting that would
// change the result and that nothing here computes is refused by its name.

import Checkpoints
import Glibc
import JSON

struct AdapterConfiguration: Sendable {
  enum Method: Sendable {
    /// y += scale * B(A x), possibly with each output's magnitude (DoRA)
    case lowRank(LowRankSettings)
    /// IA3: inputs or outputs multiplied by vectors
    case scaling(ScalingSettings)
    /// Virtual tokens that are embeddings: prompt tuning, and P-tuning once encoded
    case prompt(tokenCount: Int)
    /// Virtual tokens that are keys and values
    case prefix(tokenCount: Int)
  }

  static let fileName = "adapter_config.json"

  let method: Method

  /// What is known of each method, by `peft_type`.
  private static let methods: [String: @Sendable (ConfigurationFile) throws(ModelError) -> Method] =
    [
      "LORA": lowRank, "IA3": scaling, "PROMPT_TUNING": prompt, "P_TUNING": prompt,
      "PREFIX_TUNING": prefix,
    ]

  init(directory: String) throws(ModelError) {
    guard directoryExists(directory) else {
      throw .missingFile(
        path: directory, remedy: "name a directory that peft's save_pretrained wrote")
    }
    try self.init(
      ConfigurationFile(
        path: directory + "/" + Self.fileName,
        remedy: "peft's save_pretrained writes it beside the adapter's weights"))
  }

  init(_ file: ConfigurationFile) throws(ModelError) {
    let type = try file.string("peft_type") ?? "missing"
    guard let method = Self.methods[type.uppercased()] else {
      throw file.unsupported("peft_type", type, supported: Self.methods.keys.sorted())
    }
    let task = try file.string("task_type") ?? "CAUSAL_LM"
    guard task == "CAUSAL_LM" else {
      throw file.unsupported("task_type", task, supported: ["CAUSAL_LM"])
    }
    self.method = try method(file)
  }

  private static func lowRank(_ file: ConfigurationFile) throws(ModelError) -> Method {
    try file.refuseUnknownKeys(
      read: [
        "r", "lora_alpha", "target_modules", "exclude_modules", "layers_to_transform",
        "layers_pattern", "rank_pattern", "alpha_pattern", "use_rslora", "use_dora", "lora_bias",
        "modules_to_save", "init_lora_weights", "bias", "ensure_weight_tying",
      ],
      withoutEffect: [
        "fan_in_fan_out", "lora_dropout", "loftq_config", "eva_config", "corda_config",
        "lora_ga_config",
        "velora_config", "megatron_core", "qalora_group_size", "runtime_config",
      ])
    return .lowRank(try LowRankSettings(file))
  }

  private static func scaling(_ file: ConfigurationFile) throws(ModelError) -> Method {
    try file.refuseUnknownKeys(
      read: [
        "target_modules", "exclude_modules", "feedforward_modules", "modules_to_save",
      ],
      withoutEffect: ["fan_in_fan_out", "init_ia3_weights"])
    return .scaling(try ScalingSettings(file))
  }

  private static func prompt(_ file: ConfigurationFile) throws(ModelError) -> Method {
    .prompt(tokenCount: try virtualTokenCount(file))
  }

  private static func prefix(_ file: ConfigurationFile) throws(ModelError) -> Method {
    .prefix(tokenCount: try virtualTokenCount(file))
  }

  /// Sizes of the encoder that training used, and of the model, show in the tensors' shapes.
  private static func virtualTokenCount(_ file: ConfigurationFile) throws(ModelError) -> Int {
    try file.refuseUnknownKeys(
      read: ["num_virtual_tokens", "num_transformer_submodules"],
      withoutEffect: [
        "token_dim", "num_layers", "num_attention_heads", "prompt_tuning_init",
        "prompt_tuning_init_text", "tokenizer_name_or_path", "tokenizer_kwargs",
        "encoder_reparameterization_type", "encoder_hidden_size", "encoder_num_layers",
        "encoder_dropout", "prefix_projection", "init_weights",
      ])
    let parts = try file.integer("num_transformer_submodules", in: 0...16) ?? 1
    guard parts == 1 else {
      throw file.unsupported("num_transformer_submodules", "\(parts)", supported: ["1"])
    }
    return try file.requiredInteger("num_virtual_tokens", in: 1...65536)
  }
}

/// What LoRA's configuration says.
struct LowRankSettings: Sendable {
  let selection: ModuleSelection
  let usesMagnitude: Bool
  let hasBias: Bool
  /// What is trained of embeddings and head is the same matrix.
  let tiesWeights: Bool
  private let rank: Int
  private let alpha: Double
  private let ranks: [(pattern: ModulePattern, value: Double)]
  private let alphas: [(pattern: ModulePattern, value: Double)]
  private let isRankStabilized: Bool

  private static let rankLimits = 1...65536

  init(_ file: ConfigurationFile) throws(ModelError) {
    selection = try ModuleSelection(file)
    usesMagnitude = try file.bool("use_dora") ?? false
    hasBias = try file.bool("lora_bias") ?? false
    tiesWeights = try file.bool("ensure_weight_tying") ?? false
    isRankStabilized = try file.bool("use_rslora") ?? false
    rank = try file.integer("r", in: Self.rankLimits) ?? 8
    alpha = Double(try file.float("lora_alpha", in: -1e9...1e9) ?? 8)
    ranks = try file.numbers("rank_pattern")
    alphas = try file.numbers("alpha_pattern")
    for (_, value) in ranks where Int(exactly: value).map(Self.rankLimits.contains) != true {
      throw file.refusal("rank_pattern", "\(value) is no rank")
    }
    try Self.checkInitialization(file)
    let bias = try file.string("bias") ?? "none"
    guard ["none", "all", "lora_only"].contains(bias) else {
      throw file.unsupported("bias", bias, supported: ["none", "all", "lora_only"])
    }
  }

  /// Some ways to begin training take a part out of the base's weights, which then is missing in the
  /// base itself (peft converts such adapters when it is given the initial one).
  private static func checkInitialization(_ file: ConfigurationFile) throws(ModelError) {
    guard let name = file["init_lora_weights"]?.string else { return }
    let harmless = ["gaussian", "eva", "orthogonal", "mica"]
    guard harmless.contains(name.lowercased()) else {
      throw file.unsupported(
        "init_lora_weights", name,
        supported: ["true", "false"] + harmless
          + ["the others once save_pretrained converted them"])
    }
  }

  func rank(of module: String) -> Int {
    ranks.first { $0.pattern.matches(module) }.flatMap { Int(exactly: $0.value) } ?? rank
  }

  /// What B(A x) is multiplied with.
  func scale(of module: String) -> Float {
    let alpha = alphas.first { $0.pattern.matches(module) }?.value ?? alpha
    let rank = Double(rank(of: module))
    return Float(isRankStabilized ? alpha / rank.squareRoot() : alpha / rank)
  }
}

/// What IA3's configuration says.
struct ScalingSettings: Sendable {
  let selection: ModuleSelection
  private let feedForward: ModuleSelection.Names?

  init(_ file: ConfigurationFile) throws(ModelError) {
    selection = try ModuleSelection(file)
    feedForward = try file.moduleNames("feedforward_modules")
  }

  /// Whether a module's inputs are multiplied, not its outputs. peft compares the ends of names here
  /// without regard to dots (tuners/ia3/model.py).
  func multipliesInputs(of module: String) -> Bool {
    if case .list(let names)? = feedForward { return names.contains(where: module.hasSuffix) }
    return feedForward?.contains(module, isHidden: true) ?? false
  }
}

extension ConfigurationFile {
  private static let describing = [
    "auto_mapping", "base_model_name_or_path", "inference_mode", "peft_type", "peft_version",
    "revision", "task_type",
  ]

  /// Refuses the first key that is neither known nor off.
  fileprivate func refuseUnknownKeys(read: [String], withoutEffect: [String]) throws(ModelError) {
    let known = Set(Self.describing + read + withoutEffect)
    for (key, value) in root where !known.contains(key) && !value.isOff {
      throw unsupported(key, String(value.description.prefix(40)), supported: ["null", "false"])
    }
  }

  /// Names or patterns of modules with a number each, in the file's order.
  fileprivate func numbers(_ key: String) throws(ModelError)
    -> [(pattern: ModulePattern, value: Double)]
  {
    guard let value = self[key] else { return [] }
    guard let members = value.object else { throw refusal(key, "it must be an object") }
    return try members.map { name, value throws(ModelError) in
      guard let number = value.double, number.isFinite else {
        throw refusal(key, "the value of '\(name.prefix(80))' is not a number")
      }
      return (try pattern(name, after: "(?:.*\\.)?", key: key), number)
    }
  }
}

extension JSONValue {
  /// What an option is that does nothing.
  fileprivate var isOff: Bool {
    switch self {
    case .null, .bool(false): true
    case .array(let elements): elements.isEmpty
    case .object(let members): members.isEmpty
    default: false
    }
  }
}
