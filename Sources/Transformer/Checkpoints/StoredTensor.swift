// One tensor where a file has it: type, shape and bytes, nothing read yet. Relies on the parser of
// the file's format having checked that the bytes are within the file and are as many as type and
// shape need.

struct StoredTensor: Sendable {
  let file: MappedFile
  let elementType: ElementType
  let shape: [Int]
  /// Within the file.
  let bytes: Range<Int>
  /// In elements, one per dimension, each element within `bytes`; nil where rows follow each other.
  var strides: [Int]?

  var elementCount: Int { shape.reduce(1, *) }

  /// Tells it apart from all other tensors of the same files.
  var place: String { "\(file.status.inode) \(bytes.lowerBound) \(elementType.rawValue)" }

  func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
    file.withBytes { body(UnsafeRawBufferPointer(rebasing: $0[bytes])) }
  }
}
