// Little-endian numbers and runs of bytes out of a file that came from outside, one after the
// other. Refuses to read past the end, naming the file and what was being read.

struct ByteReader {
  private let bytes: UnsafeRawBufferPointer
  private let path: String
  /// Within all bytes.
  private(set) var position: Int
  /// What is being read, as in "it ends within ...".
  var subject: String

  init(_ bytes: UnsafeRawBufferPointer, from position: Int = 0, path: String, subject: String) {
    precondition(position >= 0 && position <= bytes.count)
    self.bytes = bytes
    self.position = position
    self.path = path
    self.subject = subject
  }

  func refusal(_ reason: String) -> ModelError {
    .malformedCheckpoint(path: path, reason: reason)
  }

  /// - Parameter count: of any size, as the file says it
  mutating func bytes(_ count: some BinaryInteger) throws(ModelError) -> UnsafeRawBufferPointer {
    guard let count = Int(exactly: count), count >= 0, count <= bytes.count - position else {
      throw refusal("it ends within \(subject)")
    }
    defer { position += count }
    return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
  }

  mutating func integer<T: FixedWidthInteger>(_ type: T.Type = T.self) throws(ModelError) -> T {
    T(littleEndian: try bytes(MemoryLayout<T>.size).loadUnaligned(as: T.self))
  }

  mutating func string(_ count: some BinaryInteger) throws(ModelError) -> String {
    guard let text = String(validating: try bytes(count), as: UTF8.self) else {
      throw refusal("\(subject) holds a string that is not UTF-8")
    }
    return text
  }

  /// The text up to a line feed, which is consumed.
  mutating func line() throws(ModelError) -> String {
    let length = bytes[position...].prefix(256).firstIndex(of: UInt8(ascii: "\n"))
    guard let length else { throw refusal("\(subject) holds a line without an end") }
    defer { position += 1 }
    return try string(length - position)
  }
}
