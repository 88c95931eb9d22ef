// One tensor of a checkpoint, read as float32 in ranges of elements so that no more of it than the
// reader's own buffer is ever in memory. Relies on its elements having been checked against the
// file; refuses nothing: only tensors that can be read exist.

package import Quantization

package struct CheckpointTensor: Sendable {
  package let name: String
  /// Of the file that has it, for messages.
  package let path: String
  package let shape: [Int]
  package let elements: any TensorElements
  /// Where its elements are among the checkpoint's files, and what else they depend on.
  package var place: String

  package init(
    name: String, path: String, shape: [Int], elements: any TensorElements, place: String = ""
  ) {
    self.name = name
    self.path = path
    self.shape = shape
    self.elements = elements
    self.place = place
  }

  /// The format that holds the tensor as it is.
  package var format: WeightFormat { elements.format }
  package var elementCount: Int { shape.reduce(1, *) }

  /// Converts a range of elements, in row-major order, to float32.
  package func read(_ range: Range<Int>, into output: UnsafeMutablePointer<Float>) {
    precondition(range.lowerBound >= 0 && range.upperBound <= elementCount)
    elements.read(range, into: output)
  }

  /// All elements; for the small tensors: norms and biases.
  package func values() -> [Float] {
    [Float](unsafeUninitializedCapacity: elementCount) { buffer, count in
      if let base = buffer.baseAddress, elementCount > 0 { read(0..<elementCount, into: base) }
      count = elementCount
    }
  }
}
