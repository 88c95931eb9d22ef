// The weights in a model's directory: safetensors or PyTorch's .bin, in one file or in the shards
// that an index lists. All files are mapped and their headers checked at once; tensors are read on
// demand. Refuses index entries that name files outside of the directory or tensors that their
// file lacks.

import JSON
package import Quantization

package struct Checkpoint: Sendable {
  /// A directory's name for messages about the checkpoint as a whole.
  package let directory: String
  /// In the order of their names.
  package let files: [MappedFile]
  private let tensors: StoredTensors
  /// Nil where all tensors are plain numbers.
  let quantization: (any QuantizedCheckpoint)?

  /// How the tensors that are asked for are found among the stored ones; nil for by their names.
  private let names: CheckpointNames?
  private let prefix: String

  /// The settings that quantised tensors are read by.
  private let quantizationText: String

  /// One way to store weights as files of a directory.
  private struct Layout: Sendable {
    var fileName: String
    var parse: @Sendable (MappedFile) throws(ModelError) -> [String: StoredTensor]

    var indexName: String { fileName + ".index.json" }
  }

  package static let fileName = "model.safetensors"
  package static let indexName = fileName + ".index.json"
  package static let pyTorchName = "pytorch_model.bin"

  /// In the order in which they are preferred, as in transformers.
  private static let layouts = [
    Layout(fileName: fileName, parse: SafetensorsHeader.tensors),
    Layout(fileName: pyTorchName, parse: PyTorchArchive.tensors),
  ]

  /// - Parameters:
  ///   - configuration: what config.json says of the model, quantisation included
  ///   - names: what is asked for has `TensorName`'s names and is found by these
  package init(
    directory: String, configuration: ConfigurationFile? = nil, names: CheckpointNames? = nil
  ) throws(ModelError) {
    self.directory = directory
    if let configuration {
      quantization = try QuantizationMethod.of(configuration)
      quantizationText = QuantizationMethod.text(configuration)
    } else {
      (quantization, quantizationText) = (nil, "")
    }
    for layout in Self.layouts {
      let (path, index) = (directory + "/" + layout.fileName, directory + "/" + layout.indexName)
      if fileExists(path) {
        let file = try MappedFile(path: path, remedy: "it was there a moment ago")
        files = [file]
        tensors = StoredTensors(try layout.parse(file), path: path)
        (self.names, prefix) = Self.resolve(names, quantization, tensors)
        return
      }
      if fileExists(index) {
        let shards = try Self.readShards(index: index, layout, directory: directory)
        files = shards.files
        tensors = StoredTensors(shards.tensors, path: directory)
        (self.names, prefix) = Self.resolve(names, quantization, tensors)
        return
      }
    }
    throw .missingFile(
      path: directory + "/" + Self.fileName,
      remedy: "a model directory holds its weights as safetensors or as \(Self.pyTorchName); "
        + "convert other formats with transformers' save_pretrained")
  }

  /// A GGUF file.
  package init(_ gguf: GGUFFile, names: CheckpointNames? = nil) throws(ModelError) {
    self.names = names
    prefix = ""
    directory = gguf.path
    files = [gguf.file]
    tensors = StoredTensors([:], path: gguf.path)
    quantization = try GGUFCheckpoint(gguf)
    quantizationText = "GGUF"
  }

  package var isQuantized: Bool { quantization != nil }

  /// What is done with the weights where nothing else is asked for.
  package var preferredScheme: QuantizationScheme { quantization?.preferredScheme ?? .int4 }

  /// The names of all tensors in the files, sorted.
  package var tensorNames: [String] { tensors.names }

  /// The tensor as a file has it.
  package func stored(_ name: String) -> StoredTensor? { tensors[name] }

  /// What this program has written has its own names.
  private static func resolve(
    _ names: CheckpointNames?, _ quantization: (any QuantizedCheckpoint)?, _ tensors: StoredTensors
  ) -> (CheckpointNames?, String) {
    guard let names, !(quantization is MartletCheckpoint) else { return (nil, "") }
    let prefix = names.prefixes.first { tensors[$0 + names.embedding + ".weight"] != nil }
    return (names, prefix ?? names.prefixes.first ?? "")
  }

  package func contains(_ name: String) -> Bool { tensors[name] != nil }

  /// Whether the family's name of the embeddings is known here.
  package var hasEmbeddings: Bool {
    guard let names else { return true }
    return names.prefixes.contains { contains($0 + names.embedding + ".weight") }
  }

  /// The tensor of that name, whose shape must be the one given.
  package func tensor(_ name: String, shape: [Int]) throws(ModelError) -> CheckpointTensor {
    guard let (stored, part) = names?.stored(name, prefix: prefix) else {
      return try storedTensor(name, shape: shape)
    }
    var storedShape = shape
    if let rows = part.rows {
      precondition(rows.isWithin(count: shape[0]), "\(name) is cut wrongly")
      storedShape[0] = rows.storedCount
    }
    let whole = try storedTensor(stored, shape: storedShape, isTransposed: part.isTransposed)
    var elements = whole.elements
    let columns = shape.count == 2 ? shape[1] : 1
    if let rows = part.rows {
      elements = SelectedRows(elements: elements, columns: columns, selection: rows)
    }
    if part.isNormalized { elements = NormalizedRows(elements: elements, columns: columns) }
    return CheckpointTensor(
      name: stored, path: whole.path, shape: shape, elements: elements,
      place: "\(whole.place) \(part.arrangement)")
  }

  /// A tensor under the name that the checkpoint has for it.
  private func storedTensor(_ name: String, shape: [Int], isTransposed: Bool = false)
    throws(ModelError) -> CheckpointTensor
  {
    if let elements = try quantization?.elements(of: name, shape: shape, in: tensors) {
      return CheckpointTensor(
        name: name, path: directory, shape: shape, elements: elements,
        place: "\(name) \(elements.format.rawValue) of \(quantizationText)")
    }
    var stored = try tensors.required(name)
    let path = stored.file.path
    let expected = isTransposed ? shape.reversed() : shape
    guard stored.shape == expected else {
      throw .unexpectedShape(tensor: name, path: path, expected: expected, found: stored.shape)
    }
    if isTransposed { stored = stored.transposed }
    guard let elements = FloatElements(stored) else {
      throw .unsupportedElementType(tensor: name, path: path, found: stored.elementType.rawValue)
    }
    return CheckpointTensor(
      name: name, path: path, shape: shape, elements: elements, place: stored.place)
  }

  private static func readShards(index path: String, _ layout: Layout, directory: String)
    throws(ModelError) -> (files: [MappedFile], tensors: [String: StoredTensor])
  {
    let index = try ConfigurationFile(path: path, remedy: "restore it from where the model is from")
    guard let map = index.root["weight_map"]?.object, !map.isEmpty else {
      throw index.refusal("weight_map", "it must map tensor names to files")
    }
    var shards: [String: (file: MappedFile, tensors: [String: StoredTensor])] = [:]
    var result: [String: StoredTensor] = [:]
    for (tensor, value) in map {
      guard let name = value.string, !name.isEmpty, !name.contains("/"), !name.contains("\0") else {
        throw index.refusal("weight_map.\(tensor)", "it must name a file in the same directory")
      }
      if shards[name] == nil {
        let file = try MappedFile(
          path: directory + "/" + name,
          remedy: "\(layout.indexName) lists it: download the missing shard")
        shards[name] = (file, try layout.parse(file))
      }
      guard let stored = shards[name]?.tensors[tensor] else {
        throw .missingTensor(name: tensor, path: directory + "/" + name)
      }
      result[tensor] = stored
    }
    return (shards.sorted { $0.key < $1.key }.map(\.value.file), result)
  }
}
