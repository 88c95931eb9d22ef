// Everything that can be wrong with a model, as one error type: each message says what is wrong,
// in which file and at which tensor or key, and what to do about it. Relies on nothing.

package enum ModelError: Error, Sendable, Hashable {
  case missingDirectory(path: String)
  case missingFile(path: String, remedy: String)
  case unreadableFile(path: String, reason: String)
  case unwritableFile(path: String, reason: String)
  /// The file is no sound file of the format that its name says.
  case malformedCheckpoint(path: String, reason: String)
  case missingTensor(name: String, path: String)
  case unexpectedShape(tensor: String, path: String, expected: [Int], found: [Int])
  case unsupportedElementType(tensor: String, path: String, found: String)
  /// A sound tensor that cannot be kept in the format asked for.
  case unloadableTensor(name: String, reason: String)
  /// A JSON file of the model is no JSON, or a value in it is missing, of another type or absurd.
  case malformedConfiguration(path: String, key: String, reason: String)
  /// A value that is sound but that this program has no code for.
  case unsupportedOption(path: String, key: String, value: String, supported: [String])
  case unknownArchitecture(name: String, path: String, known: [String])
  /// A text encoder where a language model is wanted.
  case textEncoder(name: String, path: String)
  /// An adapter of another model, or one that can't be applied.
  case unsuitableAdapter(path: String, reason: String)
  case insufficientMemory(purpose: String, requiredBytes: Int, availableBytes: Int)
}

extension ModelError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .missingDirectory(let path):
      "\(path): no such directory; name a directory that holds config.json and model.safetensors"
    case .missingFile(let path, let remedy):
      "\(path): no such file; \(remedy)"
    case .unreadableFile(let path, let reason):
      "\(path): cannot be read: \(reason); check the file's permissions and its disk"
    case .unwritableFile(let path, let reason):
      "\(path): cannot be written: \(reason)"
    case .malformedCheckpoint(let path, let reason):
      "\(path): not a sound checkpoint: \(reason); download or convert the file again"
    case .missingTensor(let name, let path):
      "\(path): tensor \(name) is missing; the checkpoint is incomplete or is of another "
        + "architecture than config.json says"
    case .unexpectedShape(let tensor, let path, let expected, let found):
      "\(path): tensor \(tensor) has shape \(found), but config.json asks for \(expected); "
        + "config.json and the checkpoint are not of the same model"
    case .unsupportedElementType(let tensor, let path, let found):
      "\(path): tensor \(tensor) holds \(found) values; convert it to F32, F16, BF16 or F8_E4M3"
    case .unloadableTensor(let name, let reason):
      "tensor \(name) cannot be loaded: \(reason)"
    case .malformedConfiguration(let path, let key, let reason):
      "\(path): " + (key.isEmpty ? "" : "\(key): ") + "\(reason); correct the file or download it "
        + "again"
    case .unsupportedOption(let path, let key, let value, let supported):
      "\(path): \(key) is \(value), which is not supported; supported: "
        + supported.joined(separator: ", ")
    case .unknownArchitecture(let name, let path, let known):
      "\(path): unknown architecture \(name); known ones: " + known.joined(separator: ", ")
    case .textEncoder(let name, let path):
      "\(path): \(name) is a text encoder, which can't chat; give it as the embedding model, or as the "
        + "reranking model if it scores pairs of texts"
    case .unsuitableAdapter(let path, let reason):
      "\(path): the adapter can't be used with this model: \(reason)"
    case .insufficientMemory(let purpose, let required, let available):
      "\(purpose) needs \(megabytes(required)) MB of memory and \(megabytes(available)) MB are "
        + "available; quantise further, lower the context length or free memory"
    }
  }

  private func megabytes(_ byteCount: Int) -> Int { max(byteCount, 0) / 1_000_000 }
}
