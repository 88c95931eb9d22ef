// A GGUF file as the checkpoint of a Hugging Face model: its tensors under the names that config.json's
// architecture gives them, rows of queries and keys in the order that transformers has them. llama.cpp
// stores those of the Llama architecture with the halves of each head interleaved.

import Quantization

struct GGUFCheckpoint: QuantizedCheckpoint {
  let gguf: GGUFFile
  private let architecture: GGUFArchitecture

  /// What is not kept exactly loses least as int8.
  let preferredScheme = QuantizationScheme.int8

  init(_ gguf: GGUFFile) throws(ModelError) {
    self.gguf = gguf
    architecture = try GGUFArchitecture.of(gguf)
  }

  func elements(of name: String, shape: [Int], in tensors: StoredTensors) throws(ModelError)
    -> (any TensorElements)?
  {
    let ggufName = architecture.tensorName(name) ?? name
    guard let tensor = gguf.tensors[ggufName] else {
      throw .missingTensor(name: ggufName, path: gguf.path)
    }
    guard tensor.shape == shape else {
      throw .unexpectedShape(
        tensor: ggufName, path: gguf.path, expected: shape, found: tensor.shape)
    }
    guard let elements = Self.elements(of: tensor, in: gguf) else {
      throw .unsupportedElementType(
        tensor: ggufName, path: gguf.path, found: tensor.type.description)
    }
    guard let selection = architecture.selection(of: name, rows: shape[0]) else { return elements }
    return SelectedRows(
      elements: elements, columns: shape.count == 2 ? shape[1] : 1, selection: selection)
  }

  static func elements(of tensor: GGUFFile.Tensor, in gguf: GGUFFile) -> (any TensorElements)? {
    guard let type = tensor.type.elementType else {
      return GGUFElements(file: gguf.file, tensor: tensor)
    }
    return FloatElements(
      StoredTensor(
        file: gguf.file, elementType: type, shape: tensor.shape, bytes: tensor.bytes))
  }
}
