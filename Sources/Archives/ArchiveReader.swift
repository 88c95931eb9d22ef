// Little-endian numbers and runs of bytes out of an archive's structures, one after the other.
// Refuses to read past the end, saying within what.

struct ArchiveReader {
  private let bytes: UnsafeRawBufferPointer
  /// Within all bytes.
  private(set) var position: Int
  /// What is being read, as in "it ends within ...".
  private let subject: String

  init(_ bytes: UnsafeRawBufferPointer, from position: Int = 0, subject: String) {
    precondition(position >= 0 && position <= bytes.count)
    self.bytes = bytes
    self.position = position
    self.subject = subject
  }

  /// - Parameter count: of any size, as the archive says it
  mutating func bytes(_ count: some BinaryInteger) throws(ArchiveError) -> UnsafeRawBufferPointer {
    guard let count = Int(exactly: count), count >= 0, count <= bytes.count - position else {
      throw .malformed("it ends within \(subject)")
    }
    defer { position += count }
    return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
  }

  mutating func integer<T: FixedWidthInteger>(_ type: T.Type = T.self) throws(ArchiveError) -> T {
    T(littleEndian: try bytes(MemoryLayout<T>.size).loadUnaligned(as: T.self))
  }
}
