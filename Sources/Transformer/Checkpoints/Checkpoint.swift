// The weights in a model's directory: model.safetensors, or the shards that
// model.safetensors.index.json lists. All files are mapped and their headers checked at once;
// tensors are read on demand. Refuses pickled checkpoints, and index entries that name files
// outside of the directory or tensors that their file lacks.

import JSON

struct Checkpoint: Sendable {
  /// A directory's name for messages about the checkpoint as a whole.
  let directory: String
  /// In the order of their names.
  let files: [MappedFile]
  private let locations: [String: Location]

  private struct Location: Sendable {
    var file: MappedFile
    var entry: SafetensorsHeader.Entry
  }

  static let fileName = "model.safetensors"
  static let indexName = "model.safetensors.index.json"

  init(directory: String) throws(ModelError) {
    self.directory = directory
    let index = directory + "/" + Self.indexName
    if !fileExists(directory + "/" + Self.fileName), fileExists(index) {
      (files, locations) = try Self.readShards(index: index, directory: directory)
    } else {
      let file = try MappedFile(
        path: directory + "/" + Self.fileName,
        remedy: "a model directory holds its weights as safetensors; convert other formats with "
          + "transformers' save_pretrained")
      files = [file]
      locations = try Self.readHeader(of: file).mapValues { Location(file: file, entry: $0) }
    }
  }

  func contains(_ name: String) -> Bool { locations[name] != nil }

  /// The tensor of that name, whose shape must be the one given.
  func tensor(_ name: String, shape: [Int]) throws(ModelError) -> CheckpointTensor {
    guard let location = locations[name] else {
      throw .missingTensor(name: name, path: files.count == 1 ? files[0].path : directory)
    }
    let path = location.file.path
    guard location.entry.shape == shape else {
      throw .unexpectedShape(
        tensor: name, path: path, expected: shape, found: location.entry.shape)
    }
    guard let tensor = CheckpointTensor(name: name, entry: location.entry, file: location.file)
    else {
      throw .unsupportedElementType(
        tensor: name, path: path, found: location.entry.elementType.rawValue)
    }
    return tensor
  }

  private static func readHeader(of file: MappedFile) throws(ModelError)
    -> [String: SafetensorsHeader.Entry]
  {
    try file.withBytes { (bytes) throws(ModelError) in
      try SafetensorsHeader(of: bytes, path: file.path).entries
    }
  }

  private static func readShards(index path: String, directory: String) throws(ModelError)
    -> ([MappedFile], [String: Location])
  {
    let index = try ConfigurationFile(path: path, remedy: "restore it from where the model is from")
    guard let map = index.root["weight_map"]?.object, !map.isEmpty else {
      throw index.refusal("weight_map", "it must map tensor names to files")
    }
    var shards: [String: (file: MappedFile, entries: [String: SafetensorsHeader.Entry])] = [:]
    var locations: [String: Location] = [:]
    for (tensor, value) in map {
      guard let name = value.string, !name.isEmpty, !name.contains("/"), !name.contains("\0") else {
        throw index.refusal("weight_map.\(tensor)", "it must name a file in the same directory")
      }
      if shards[name] == nil {
        let file = try MappedFile(
          path: directory + "/" + name, remedy: "\(indexName) lists it: download the missing shard")
        shards[name] = (file, try readHeader(of: file))
      }
      guard let shard = shards[name], let entry = shard.entries[tensor] else {
        throw .missingTensor(name: tensor, path: directory + "/" + name)
      }
      locations[tensor] = Location(file: shard.file, entry: entry)
    }
    return (shards.sorted { $0.key < $1.key }.map(\.value.file), locations)
  }
}
