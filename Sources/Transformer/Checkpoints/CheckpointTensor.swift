// One tensor of a checkpoint, read as float32 in ranges of elements so that no more of it than the
// reader's own buffer is ever in memory. Relies on its elements having been checked against the
// file; refuses nothing: only tensors that can be read exist.

import Quantization

struct CheckpointTensor: Sendable {
  let name: String
  /// Of the file that has it, for messages.
  let path: String
  let shape: [Int]
  let elements: any TensorElements
  /// Where its elements are among the checkpoint's files, and what else they depend on.
  var place = ""

  /// The format that holds the tensor as it is.
  var format: WeightFormat { elements.format }
  var elementCount: Int { shape.reduce(1, *) }

  /// Converts a range of elements, in row-major order, to float32.
  func read(_ range: Range<Int>, into output: UnsafeMutablePointer<Float>) {
    precondition(range.lowerBound >= 0 && range.upperBound <= elementCount)
    elements.read(range, into: output)
  }

  /// All elements; for the small tensors: norms and biases.
  func values() -> [Float] {
    [Float](unsafeUninitializedCapacity: elementCount) { buffer, count in
      if let base = buffer.baseAddress, elementCount > 0 { read(0..<elementCount, into: base) }
      count = elementCount
    }
  }
}
