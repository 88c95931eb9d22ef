// A GGUF file as the checkpoint of a Hugging Face model: its tensors under the names that config.json's
// architecture gives them, rows of queries and keys in the order that transformers has them. llama.cpp
// stores those of the Llama architecture with the halves of each head interleaved.

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
    guard let heads = architecture.interleavedHeads(of: name) else { return elements }
    return InterleavedHeads(
      elements: elements, columns: shape.count == 2 ? shape[1] : 1, headRows: shape[0] / heads)
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

/// A matrix of heads in which the two halves of every head's rows alternate; read with the first
/// half before the second.
private struct InterleavedHeads: QuantizedElements {
  let elements: any TensorElements
  let columns: Int
  let headRows: Int

  var exactFormat: WeightFormat? { (elements as? any QuantizedElements)?.exactFormat }
  var format: WeightFormat { elements.format }
  var typeName: String { elements.typeName }

  private func storedRow(_ row: Int) -> Int {
    let (head, place) = row.quotientAndRemainder(dividingBy: headRows)
    let (half, index) = place.quotientAndRemainder(dividingBy: headRows / 2)
    return head * headRows + 2 * index + half
  }

  func read(_ range: Range<Int>, into output: UnsafeMutablePointer<Float>) {
    var element = range.lowerBound
    while element < range.upperBound {
      let (row, column) = element.quotientAndRemainder(dividingBy: columns)
      let count = min(columns - column, range.upperBound - element)
      let first = storedRow(row) * columns + column
      elements.read(first..<first + count, into: output + element - range.lowerBound)
      element += count
    }
  }

  func readCodes(
    rows: Range<Int>, codes: UnsafeMutablePointer<UInt8>, scales: UnsafeMutablePointer<UInt16>
  ) {
    guard let elements = elements as? any QuantizedElements else { return }
    let groups = columns / format.groupSize
    for (index, row) in rows.enumerated() {
      let stored = storedRow(row)
      elements.readCodes(
        rows: stored..<stored + 1, codes: codes + index * columns, scales: scales + index * groups)
    }
  }
}
