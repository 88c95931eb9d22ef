// The registry of architectures: how the config.json of each is translated into options and how
// its checkpoints name their tensors. A new family is one file here and one line below. No other
// part of the program knows a family's name.

import JSON

/// One decoder family: a translation of its configuration, and its names of tensors.
struct ModelFamily: Sendable {
  var configuration: @Sendable (ConfigurationFile) throws(ModelError) -> CausalLMConfiguration
  var tensorNames: TensorNames

  /// By the name that `architectures` in config.json has.
  static let known: [String: ModelFamily] = [
    "LlamaForCausalLM": .llama
  ]

  /// Whose names of tensors random weights go by; any would do.
  static let ofRandomWeights = llama

  /// The family that config.json asks for.
  static func of(_ file: ConfigurationFile) throws(ModelError) -> ModelFamily {
    let names = file["architectures"]?.array?.compactMap(\.string) ?? []
    if let family = names.lazy.compactMap({ known[$0] }).first { return family }
    guard let name = names.first else {
      throw file.refusal("architectures", "it must list the model's architecture")
    }
    throw .unknownArchitecture(name: name, path: file.path, known: known.keys.sorted())
  }
}

/// What the tensors of a decoder are called in its checkpoint.
struct TensorNames: Sendable {
  var embedding: String
  var finalNorm: String
  var head: String
  /// In front of a layer's index.
  var layers: String
  var inputNorm: String
  var query, key, value, attentionOutput: String
  var feedForwardNorm: String
  var gate, up, down: String

  /// The stem of a layer's tensor; `.weight` and `.bias` follow it.
  func layer(_ index: Int, _ part: KeyPath<TensorNames, String>) -> String {
    "\(layers)\(index).\(self[keyPath: part])"
  }
}
