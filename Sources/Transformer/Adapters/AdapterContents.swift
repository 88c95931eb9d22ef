// A PEFT adapter held against a model: each change of a module, with all names and shapes checked,
// no weight read yet. Serving and merging both begin with it. Refuses an adapter of another model,
// naming the first mismatch, and weights that its configuration doesn't account for.

import Checkpoints

/// A module of a model that an adapter may change.
struct AdaptableModule: Sendable {
  enum Kind: Sendable, Hashable { case linear, embedding, head, norm }

  var kind: Kind
  /// Of its weight: [outputs, inputs], [vocabulary, width] or [width].
  var shape: [Int]
  var hasBias = false
  /// The weight is stored the other way round, as GPT-2's are.
  var isTransposed = false
}

/// What becomes of one module.
struct ModuleChange: Sendable {
  /// Trained in full instead of the model's own.
  var weight: CheckpointTensor?
  var bias: CheckpointTensor?
  var lowRank: LowRank?
  var scaling: Scaling?

  struct LowRank: Sendable {
    /// [rank, inputs], or [rank, vocabulary]
    var input: CheckpointTensor
    /// [outputs, rank], or [width, rank]
    var output: CheckpointTensor
    /// [outputs]
    var bias: CheckpointTensor?
    var scale: Float
    /// DoRA: [outputs], or [width]
    var magnitude: CheckpointTensor?

    var rank: Int { input.shape[0] }
  }

  struct Scaling: Sendable {
    var factors: CheckpointTensor
    var multipliesInputs: Bool
  }
}

struct AdapterContents: Sendable {
  let path: String
  private(set) var changes: [String: ModuleChange] = [:]
  /// [virtual tokens, hidden size]
  private(set) var prompt: CheckpointTensor?
  /// [virtual tokens, layers * 2 * width of keys]
  private(set) var prefix: CheckpointTensor?
  /// Embeddings and head are trained as one.
  private(set) var tiesWeights = false

  private let tensors: AdapterTensors

  /// - Parameters:
  ///   - configuration: of the same directory
  ///   - modules: all that can be changed, by their names in transformers
  ///   - promptWidth: of an embedding
  ///   - prefixWidth: keys and values of one token in all layers
  init(
    directory: String, configuration: AdapterConfiguration, modules: [String: AdaptableModule],
    promptWidth: Int, prefixWidth: Int
  ) throws(ModelError) {
    tensors = try AdapterTensors(directory: directory)
    path = tensors.path
    switch configuration.method {
    case .lowRank(let settings):
      tiesWeights = settings.tiesWeights
      changes = try readModules(modules, selection: settings.selection) {
        (contents, name, module, change) throws(ModelError) in
        change.lowRank = try contents.lowRank(name, module, settings)
      }
    case .scaling(let settings):
      changes = try readModules(modules, selection: settings.selection) {
        (contents, name, module, change) throws(ModelError) in
        change.scaling = try contents.scaling(name, module, settings)
      }
    case .prompt(let count): prompt = try virtualTokens([count, promptWidth])
    case .prefix(let count): prefix = try virtualTokens([count, prefixWidth])
    }
  }

  private func refuse(_ reason: String) -> ModelError {
    .unsuitableAdapter(path: path, reason: reason)
  }

  private func virtualTokens(_ shape: [Int]) throws(ModelError) -> CheckpointTensor {
    if let name = tensors.moduleNames.first {
      throw refuse("it has weights of \(name) beside its virtual tokens, which is not supported")
    }
    guard let tensor = tensors.prompt else {
      throw refuse(
        "prompt_embeddings is missing; save the adapter with peft's save_pretrained, which encodes "
          + "virtual tokens")
    }
    guard tensor.shape == shape else {
      throw refuse(
        "prompt_embeddings has shape \(tensor.shape), where \(AdapterConfiguration.fileName) and "
          + "the model ask for \(shape)")
    }
    return tensor
  }

  /// Adds to a change what is special to the adapter's method.
  private typealias Reader =
    (AdapterContents, String, AdaptableModule, inout ModuleChange) throws(ModelError) -> Void

  private func readModules(
    _ modules: [String: AdaptableModule], selection: ModuleSelection, _ read: Reader
  ) throws(ModelError) -> [String: ModuleChange] {
    guard !tensors.moduleNames.isEmpty else { throw refuse("it holds no weights of any module") }
    var changes: [String: ModuleChange] = [:]
    for name in tensors.moduleNames {
      guard let (ownName, module) = Self.find(name, in: modules) else {
        throw refuse(
          "it changes \(name), which the model has no module of that an adapter could change")
      }
      var change = ModuleChange()
      try readOwnWeights(name, module, into: &change)
      let isTargeted = selection.contains(name, isHidden: module.kind == .linear)
      let isOwn = tensors.parts(of: name).allSatisfy { Self.ownParts.contains($0) }
      guard isOwn || isTargeted else {
        throw refuse(
          "it has weights of \(name), which \(AdapterConfiguration.fileName)'s target_modules leave "
            + "out")
      }
      if !isOwn { try read(self, name, module, &change) }
      changes[ownName] = change
    }
    let missing = modules.keys.sorted().first { name in
      guard let kind = modules[name]?.kind, kind != .norm, changes[name] == nil else {
        return false
      }
      return selection.contains(name, isHidden: kind == .linear)
    }
    if let missing {
      throw refuse(
        "\(AdapterConfiguration.fileName)'s target_modules select \(missing), of which it has no "
          + "weights")
    }
    return changes
  }

  /// The model's name of a module. What stands before the layers differs from one way of saving an
  /// architecture to the next; a name's rest must have a layer's index to be found by it.
  private static func find(_ name: String, in modules: [String: AdaptableModule])
    -> (name: String, module: AdaptableModule)?
  {
    if let module = modules[name] { return (name, module) }
    for dot in name.indices where name[dot] == "." {
      let rest = String(name[name.index(after: dot)...])
      if let module = modules[rest] { return (rest, module) }
    }
    for dot in name.indices where name[dot] == "." {
      let rest = name[dot...]
      guard rest.split(separator: ".").contains(where: { Int($0) != nil }) else { return nil }
      let found = modules.filter { $0.key.hasSuffix(rest) }
      if let only = found.first, found.count == 1 { return (only.key, only.value) }
    }
    return nil
  }

  private static let ownParts: Set<AdapterTensors.Part> = [.weight, .bias, .baseWeight, .baseBias]

  private func readOwnWeights(
    _ name: String, _ module: AdaptableModule, into change: inout ModuleChange
  ) throws(ModelError) {
    let isHead = module.kind == .head || module.kind == .embedding
    if isHead, let tensor = tensors[name, .weight] ?? tensors[name, .baseWeight],
      tensor.shape.count == 2, tensor.shape[0] != module.shape[0]
    {
      throw refuse(
        "tensor \(tensor.name) is for a vocabulary of \(tensor.shape[0]), the model's has "
          + "\(module.shape[0]); resize the model's embeddings and merge the adapter with peft")
    }
    for part in [AdapterTensors.Part.baseWeight, .weight] {
      if let tensor = try tensors.optional(name, part, shape: module.shape) {
        change.weight = tensor
      }
    }
    for part in [AdapterTensors.Part.baseBias, .bias] {
      if let tensor = try tensors.optional(name, part, shape: [module.shape[0]]) {
        change.bias = tensor
      }
    }
    if let bias = change.bias, !module.hasBias {
      throw refuse("it has the bias \(bias.name), which the model has not")
    }
  }

  private func lowRank(
    _ name: String, _ module: AdaptableModule, _ settings: LowRankSettings
  ) throws(ModelError) -> ModuleChange.LowRank {
    let rank = settings.rank(of: name)
    let isEmbedding = module.kind == .embedding
    guard module.shape.count == 2 else {
      throw refuse("it has low-rank weights of \(name), which is no matrix")
    }
    // An embedding maps tokens to values: what goes in is the vocabulary.
    let (inputs, outputs) =
      isEmbedding ? (module.shape[0], module.shape[1]) : (module.shape[1], module.shape[0])
    let magnitude = try tensors.optional(name, .magnitude, shape: [outputs])
    let otherMagnitude = try tensors.optional(name, .magnitudeWeight, shape: [outputs])
    let change = ModuleChange.LowRank(
      input: try tensors.required(
        name, isEmbedding ? .embeddingInput : .lowRankInput, shape: [rank, inputs]),
      output: try tensors.required(
        name, isEmbedding ? .embeddingOutput : .lowRankOutput, shape: [outputs, rank]),
      bias: try tensors.optional(name, .lowRankBias, shape: [outputs]),
      scale: settings.scale(of: name), magnitude: magnitude ?? otherMagnitude)
    try refuseOtherParts(
      name,
      than: isEmbedding
        ? [.embeddingInput, .embeddingOutput, .magnitude, .magnitudeWeight]
        : [.lowRankInput, .lowRankOutput, .lowRankBias, .magnitude, .magnitudeWeight])
    guard (change.magnitude != nil) == settings.usesMagnitude else {
      throw refuse(
        "use_dora is \(settings.usesMagnitude) in \(AdapterConfiguration.fileName), but \(name) has "
          + (change.magnitude == nil ? "no" : "a") + " lora_magnitude_vector")
    }
    guard (change.bias != nil) == (settings.hasBias && !isEmbedding) else {
      throw refuse(
        "lora_bias is \(settings.hasBias) in \(AdapterConfiguration.fileName), but \(name) has "
          + (change.bias == nil ? "no" : "a") + " lora_B.bias")
    }
    return change
  }

  private func scaling(
    _ name: String, _ module: AdaptableModule, _ settings: ScalingSettings
  ) throws(ModelError) -> ModuleChange.Scaling {
    guard module.kind == .linear || module.kind == .head else {
      throw refuse("it scales \(name), which is no linear layer")
    }
    let multipliesInputs = settings.multipliesInputs(of: name)
    let shape = multipliesInputs ? [1, module.shape[1]] : [module.shape[0], 1]
    try refuseOtherParts(name, than: [.scaling])
    return ModuleChange.Scaling(
      factors: try tensors.required(name, .scaling, shape: shape),
      multipliesInputs: multipliesInputs)
  }

  private func refuseOtherParts(_ name: String, than known: [AdapterTensors.Part])
    throws(ModelError)
  {
    let parts = tensors.parts(of: name).filter { !Self.ownParts.contains($0) }
    guard let other = parts.first(where: { !known.contains($0) }) else { return }
    throw refuse("\(name) has \(other.rawValue), which its kind of module does not have here")
  }
}
