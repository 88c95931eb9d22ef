// All tensors of a checkpoint by name, with the questions that are asked of them: is one there, and
// is it of the type and shape that whoever puts it together with others relies on.

struct StoredTensors: Sendable {
  private let tensors: [String: StoredTensor]
  /// For messages about tensors that are missing.
  private let path: String

  init(_ tensors: [String: StoredTensor], path: String) {
    self.tensors = tensors
    self.path = path
  }

  var names: [String] { tensors.keys.sorted() }

  subscript(name: String) -> StoredTensor? { tensors[name] }

  func required(_ name: String) throws(ModelError) -> StoredTensor {
    guard let tensor = tensors[name] else { throw .missingTensor(name: name, path: path) }
    return tensor
  }

  func required(_ name: String, shape: [Int], _ types: ElementType...) throws(ModelError)
    -> StoredTensor
  {
    let tensor = try required(name)
    guard tensor.shape == shape else {
      throw .unexpectedShape(
        tensor: name, path: tensor.file.path, expected: shape, found: tensor.shape)
    }
    guard types.contains(tensor.elementType), tensor.strides == nil else {
      throw .unsupportedElementType(
        tensor: name, path: tensor.file.path, found: tensor.elementType.rawValue)
    }
    return tensor
  }

  /// All values of a tensor of floating-point numbers.
  func floats(_ name: String, shape: [Int]) throws(ModelError) -> [Float] {
    let tensor = try required(
      name, shape: shape, .float32, .float16, .bfloat16, .float64)
    guard let elements = FloatElements(tensor) else { return [] }
    return CheckpointTensor(
      name: name, path: tensor.file.path, shape: shape, elements: elements
    ).values()
  }

  /// All values of a tensor of 32-bit integers.
  func integers(_ name: String, shape: [Int]) throws(ModelError) -> [Int32] {
    try required(name, shape: shape, .int32).withBytes { bytes in
      (0..<bytes.count / 4).map {
        bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Int32.self)
      }
    }
  }
}
