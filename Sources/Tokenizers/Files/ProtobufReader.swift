// The wire format of protocol buffers (https://protobuf.dev/programming-guides/encoding), as much of it
// as SentencePiece's models need: fields one by one, in the order of the bytes. Refuses groups, numbers
// of more than ten bytes and lengths beyond the end.

struct ProtobufReader {
  enum Value {
    case varint(UInt64)
    case fixed32(UInt32)
    case fixed64
    case bytes(Range<Int>)
  }

  /// What is wrong, and at which byte.
  struct Failure: Error {
    let offset: Int
    let reason: String
  }

  let bytes: [UInt8]
  private var position: Int
  private let end: Int

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    (position, end) = (0, bytes.count)
  }

  /// The fields of a message inside of another.
  init(_ bytes: [UInt8], _ range: Range<Int>) {
    self.bytes = bytes
    (position, end) = (range.lowerBound, range.upperBound)
  }

  /// The next field's number and value, nil at the end.
  mutating func next() throws(Failure) -> (field: Int, value: Value)? {
    if position == end { return nil }
    let tag = try varint()
    let field = Int(truncatingIfNeeded: tag >> 3)
    switch tag & 7 {
    case 0: return (field, .varint(try varint()))
    case 1:
      _ = try take(8)
      return (field, .fixed64)
    case 2: return (field, .bytes(try take(varint())))
    case 5:
      let range = try take(4)
      return (field, .fixed32(range.reversed().reduce(0) { $0 << 8 | UInt32(bytes[$1]) }))
    default: throw Failure(offset: position, reason: "a field of the wire type \(tag & 7)")
    }
  }

  private mutating func varint() throws(Failure) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while position < end, shift < 70 {
      let byte = bytes[position]
      position += 1
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
      shift += 7
    }
    throw Failure(offset: position, reason: "a number without an end")
  }

  private mutating func take(_ count: UInt64) throws(Failure) -> Range<Int> {
    guard count <= UInt64(end - position) else {
      throw Failure(offset: position, reason: "\(count) bytes where \(end - position) are left")
    }
    defer { position += Int(count) }
    return position..<position + Int(count)
  }
}
