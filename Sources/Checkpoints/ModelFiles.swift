// What a path to a model leads to: a directory in Hugging Face layout, or a GGUF file (also as the
// only one of a directory), with its config.json read or made of the file's metadata. Refuses paths
// that lead nowhere.

package struct ModelFiles: Sendable {
  package static let configurationName = "config.json"

  package let path: String
  package let configuration: ConfigurationFile
  /// Nil for a directory in Hugging Face layout.
  package let gguf: GGUFFile?

  package init(path: String) throws(ModelError) {
    self.path = path
    if let file = try GGUFFile.path(at: path) {
      let gguf = try GGUFFile(path: file)
      self.gguf = gguf
      configuration = try GGUFArchitecture.configuration(gguf)
      return
    }
    guard directoryExists(path) else { throw .missingDirectory(path: path) }
    gguf = nil
    configuration = try ConfigurationFile(
      path: path + "/" + Self.configurationName,
      remedy: "a model directory in Hugging Face layout has one")
  }

  /// - Parameter names: of the family that the configuration asks for; nil: tensors are asked for by
  ///   the names that they are stored under
  package func checkpoint(names: CheckpointNames?) throws(ModelError) -> Checkpoint {
    if let gguf { return try Checkpoint(gguf, names: names) }
    return try Checkpoint(directory: path, configuration: configuration, names: names)
  }

  /// A GGUF file recommends nothing; a file beside it may.
  package func generationDefaults() throws(ModelError) -> GenerationDefaults {
    try GenerationDefaults.load(directory: gguf?.directory ?? path)
  }
}
