// The files that sentence-transformers puts beside a model: modules.json with the steps from tokens
// to a vector, the length at which texts are cut, prompts. A directory without modules.json is
// pooled by the mean, as sentence-transformers does with it. Refuses steps that there is no code
// for, by name.

import Checkpoints
import Compute
import JSON

struct SentenceTransformersLayout: Sendable {
  /// What happens to a text's vector after pooling.
  enum Step: Sendable, Hashable {
    /// The module's folder.
    case dense(String)
    case normalize
  }

  /// Where config.json and the weights are.
  var modelDirectory: String
  var pooling = Pooling()
  var steps: [Step] = []
  /// Tokens, special ones included; nil where no file says so.
  var maximumTokens: Int?
  /// Texts are read in lower case.
  var lowercases = false
  /// False where `model_input_names` leaves out which of two texts a token belongs to.
  var passesTokenTypes = true

  /// The last words of module types, which versions of the library put into different packages.
  private static let supportedModules = ["Transformer", "Pooling", "Dense", "Normalize"]

  /// - Parameter needsPooling: false for models that score pairs, which list at most themselves
  init(directory: String, needsPooling: Bool = true) throws(ModelError) {
    modelDirectory = directory
    let path = directory + "/modules.json"
    if fileExists(path) {
      try readModules(path: path, directory: directory, needsPooling: needsPooling)
    }
    try readLimits()
  }

  private mutating func readModules(path: String, directory: String, needsPooling: Bool)
    throws(ModelError)
  {
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
      case ("Pooling", 1) where needsPooling: pooling = try Pooling(directory: moduleDirectory)
      case ("Dense", 2...): steps.append(.dense(moduleDirectory))
      case ("Normalize", 2...): steps.append(.normalize)
      default:
        throw .unsupportedOption(
          path: path, key: "module \(index)", value: type,
          supported: needsPooling ? Self.supportedModules : ["Transformer"])
      }
    }
    guard modules.count >= 2 || !needsPooling else { throw refuse("it lists no pooling module") }
  }

  /// `max_seq_length` of sentence-transformers, or else what the tokenizer says of the model (often a very large number).
  private mutating func readLimits() throws(ModelError) {
    let limits = 1...Int(Int32.max)
    let path = modelDirectory + "/sentence_bert_config.json"
    if fileExists(path) {
      let file = try ConfigurationFile(path: path, remedy: "")
      lowercases = try file.bool("do_lower_case") ?? false
      maximumTokens = try file.integer("max_seq_length", in: limits)
    }
    let tokenizer = modelDirectory + "/tokenizer_config.json"
    guard fileExists(tokenizer) else { return }
    let file = try ConfigurationFile(path: tokenizer, remedy: "")
    if let names = file["model_input_names"]?.array {
      passesTokenTypes = names.contains("token_type_ids")
    }
    if maximumTokens == nil, let length = file["model_max_length"]?.int, limits.contains(length) {
      maximumTokens = length
    }
  }
}
