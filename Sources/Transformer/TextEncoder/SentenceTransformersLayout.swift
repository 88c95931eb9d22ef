// The files that sentence-transformers puts beside a model: modules.json with the steps from tokens
// to a vector, the kind of pooling, the length at which texts are cut. A directory without
// modules.json is pooled by the mean, as sentence-transformers does with it. Refuses steps and kinds
// of pooling that there is no code for, by name.

import JSON

struct SentenceTransformersLayout: Sendable, Hashable {
  /// Where config.json and the weights are.
  var modelDirectory: String
  var pooling: Pooling = .mean
  var normalize = false
  /// Tokens, special ones included; nil where no file says so.
  var maximumTokens: Int?

  /// The last words of module types, which versions of the library put into different packages.
  private static let supportedModules = ["Transformer", "Pooling", "Normalize"]

  init(directory: String) throws(ModelError) {
    modelDirectory = directory
    let path = directory + "/modules.json"
    if fileExists(path) { try readModules(path: path, directory: directory) }
    maximumTokens = try Self.readMaximumTokens(modelDirectory)
  }

  private mutating func readModules(path: String, directory: String) throws(ModelError) {
    let value = try ConfigurationFile.value(path: path, remedy: "")
    func refuse(_ reason: String) -> ModelError {
      .malformedConfiguration(path: path, key: "", reason: reason)
    }
    guard let modules = value.array, !modules.isEmpty else {
      throw refuse("it must hold a list of modules")
    }
    for (index, module) in modules.enumerated() {
      guard let type = module["type"]?.string, let folder = module["path"]?.string else {
        throw refuse("module \(index) lacks its type or its path")
      }
      guard !folder.split(separator: "/").contains(".."), !folder.hasPrefix("/") else {
        throw refuse("module \(index) lies outside of the model's directory")
      }
      let moduleDirectory = folder.isEmpty ? directory : directory + "/" + folder
      let kind = type.split(separator: ".").last.map(String.init) ?? type
      switch (kind, index) {
      case ("Transformer", 0): modelDirectory = moduleDirectory
      case ("Pooling", 1): pooling = try Pooling(directory: moduleDirectory)
      case ("Normalize", 2...): normalize = true
      default:
        throw .unsupportedOption(
          path: path, key: "module \(index)", value: type, supported: Self.supportedModules)
      }
    }
    guard modules.count >= 2 else { throw refuse("it lists no pooling module") }
  }

  /// `max_seq_length`, or else what the tokenizer says of the model (often a very large number).
  private static func readMaximumTokens(_ directory: String) throws(ModelError) -> Int? {
    let limits = 1...Int(Int32.max)
    let path = directory + "/sentence_bert_config.json"
    if fileExists(path) {
      let file = try ConfigurationFile(path: path, remedy: "")
      if let length = try file.integer("max_seq_length", in: limits) { return length }
    }
    let tokenizer = directory + "/tokenizer_config.json"
    guard fileExists(tokenizer) else { return nil }
    let length = try ConfigurationFile(path: tokenizer, remedy: "")["model_max_length"]?.int
    return length.flatMap { limits.contains($0) ? $0 : nil }
  }
}
