// The weights of an adapter's directory, by the module that they change: adapter_model.safetensors or
// adapter_model.bin. Relies on peft's names: `base_model.model.`, the module, and what the tensor is
// of it. Refuses names of another kind.

import Checkpoints

struct AdapterTensors: Sendable {
  /// What a tensor is of its module.
  enum Part: String, CaseIterable {
    case lowRankInput = "lora_A.weight"
    case lowRankOutput = "lora_B.weight"
    case lowRankBias = "lora_B.bias"
    case embeddingInput = "lora_embedding_A"
    case embeddingOutput = "lora_embedding_B"
    case magnitude = "lora_magnitude_vector"
    /// As some versions of peft wrote it.
    case magnitudeWeight = "lora_magnitude_vector.weight"
    case scaling = "ia3_l"
    /// The module's own weight and bias, trained in full or kept beside low-rank ones.
    case baseWeight = "base_layer.weight"
    case baseBias = "base_layer.bias"
    case weight
    case bias
  }

  static let fileName = "adapter_model.safetensors"
  static let pyTorchName = "adapter_model.bin"
  private static let prefix = "base_model.model."
  private static let promptName = "prompt_embeddings"

  /// Of the file.
  let path: String
  /// [virtual tokens, ...] of an adapter that consists of them.
  let prompt: CheckpointTensor?
  private let modules: [String: [Part: CheckpointTensor]]

  /// The names of modules that are changed.
  var moduleNames: [String] { modules.keys.sorted() }

  init(directory: String) throws(ModelError) {
    let path = directory + "/" + Self.fileName
    let older = directory + "/" + Self.pyTorchName
    let isOlder = !fileExists(path) && fileExists(older)
    let file = try MappedFile(
      path: isOlder ? older : path,
      remedy: "an adapter's directory holds its weights as \(Self.fileName) or \(Self.pyTorchName)")
    let tensors =
      isOlder ? try PyTorchArchive.tensors(of: file) : try SafetensorsHeader.tensors(of: file)
    self.path = file.path
    var prompt: CheckpointTensor?
    var modules: [String: [Part: CheckpointTensor]] = [:]
    for (name, stored) in tensors.sorted(by: { $0.key < $1.key }) {
      guard let elements = FloatElements(stored) else {
        throw .unsupportedElementType(
          tensor: name, path: file.path, found: stored.elementType.rawValue)
      }
      let tensor = CheckpointTensor(
        name: name, path: file.path, shape: stored.shape, elements: elements)
      if name == Self.promptName {
        prompt = tensor
      } else if let (module, part) = Self.parse(name) {
        modules[module, default: [:]][part] = tensor
      } else {
        throw .unsuitableAdapter(
          path: file.path,
          reason: "tensor \(name) is none that is known; save the adapter with peft's "
            + "save_pretrained")
      }
    }
    self.prompt = prompt
    self.modules = modules
  }

  subscript(module: String, part: Part) -> CheckpointTensor? { modules[module]?[part] }

  /// The parts of a module, in a fixed order.
  func parts(of module: String) -> [Part] {
    Part.allCases.filter { modules[module]?[$0] != nil }
  }

  /// A tensor that must be there, of a shape.
  func required(_ module: String, _ part: Part, shape: [Int]) throws(ModelError)
    -> CheckpointTensor
  {
    guard let tensor = try optional(module, part, shape: shape) else {
      throw .unsuitableAdapter(
        path: path, reason: "tensor \(Self.prefix)\(module).\(part.rawValue) is missing")
    }
    return tensor
  }

  /// A tensor that must be of a shape if it is there.
  func optional(_ module: String, _ part: Part, shape: [Int]) throws(ModelError)
    -> CheckpointTensor?
  {
    guard let tensor = self[module, part] else { return nil }
    guard tensor.shape == shape else {
      throw .unsuitableAdapter(
        path: path,
        reason: "tensor \(tensor.name) has shape \(tensor.shape), where the model and "
          + "\(AdapterConfiguration.fileName) ask for \(shape)")
    }
    return tensor
  }

  /// `base_model.model.model.layers.0.mlp.up_proj.lora_A.weight` in its two parts.
  private static func parse(_ name: String) -> (module: String, part: Part)? {
    guard name.hasPrefix(prefix) else { return nil }
    // The longest end first: `weight` ends others, too.
    let parts = Part.allCases.sorted { $0.rawValue.count > $1.rawValue.count }
    guard let part = parts.first(where: { name.hasSuffix("." + $0.rawValue) }) else { return nil }
    let module = name.dropFirst(prefix.count).dropLast(part.rawValue.count + 1)
    // Another part of low-rank weights, or of some other method.
    let isForeign = module.split(separator: ".").contains {
      $0.hasPrefix("lora_") || $0.hasPrefix("ia3_")
    }
    return module.isEmpty || isForeign ? nil : (String(module), part)
  }
}

extension Adapter {
  /// Files of an adapter's directory that are read, where they are there.
  package static let fileNames = [
    AdapterConfiguration.fileName, AdapterTensors.fileName, AdapterTensors.pyTorchName,
  ]
}
