// One tensor where a file has it: type, shape and bytes, nothing read yet. Relies on the parser of
// the file's format having checked that the bytes are within the file and are as many as type and
// shape need.

package struct StoredTensor: Sendable {
  let file: MappedFile
  package let elementType: ElementType
  package var shape: [Int]
  /// Within the file.
  let bytes: Range<Int>
  /// In elements, one per dimension, each element within `bytes`; nil where rows follow each other.
  var strides: [Int]?

  package var elementCount: Int { shape.reduce(1, *) }

  /// The same elements with the dimensions in reverse order.
  var transposed: StoredTensor {
    var (result, step) = (self, 1)
    result.shape = shape.reversed()
    result.strides =
      strides?.reversed()
      ?? result.shape.map { size in
        defer { step *= size }
        return step
      }
    return result
  }

  /// Tells it apart from all other tensors of the same files.
  var place: String { "\(file.status.inode) \(bytes.lowerBound) \(elementType.rawValue)" }

  package func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
    file.withBytes { body(UnsafeRawBufferPointer(rebasing: $0[bytes])) }
  }
}
