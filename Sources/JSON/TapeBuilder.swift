// The grammar of RFC 8259 as one pass over the bytes that lays out the tape. It keeps its own
// stack of open containers, so that no document can exhaust the thread's. Everything that the
// RFC leaves to the parser is refused: lone surrogates, byte order marks, numbers beyond double.

struct TapeBuilder {
  let bytes: [UInt8]
  let maximumDepth: Int
  private(set) var tape: [TapeEntry] = []
  /// Offset of the next byte to read.
  var position = 0
  /// Tape indices of the arrays and objects that are not closed yet.
  private var open: [Int] = []

  init(bytes: [UInt8], maximumDepth: Int) {
    self.bytes = bytes
    self.maximumDepth = maximumDepth
    // Vocabularies, where size matters, have about one value per 16 bytes.
    tape.reserveCapacity(bytes.count / 16)
  }

  mutating func build() throws(JSONError) {
    guard bytes.count < UInt32.max else { throw failure("the document is 4 GiB or larger", at: 0) }
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) {
      throw failure("expected a value, found a byte order mark", at: 0)
    }
    skipWhitespace()
    try appendValue()
    while let container = open.last { try advance(container) }
    skipWhitespace()
    guard position == bytes.count else {
      throw failure("expected the end of the document, found \(found(at: position))")
    }
  }

  func failure(_ message: String, at offset: Int? = nil) -> JSONError {
    JSONError(message, at: offset ?? position, in: bytes)
  }

  /// The byte at an offset, as error messages name it.
  func found(at offset: Int) -> String {
    guard offset < bytes.count else { return "the end of the document" }
    let byte = bytes[offset]
    if byte >= 0x21 && byte < 0x7F { return "'\(Unicode.Scalar(byte))'" }
    let digits = String(byte, radix: 16, uppercase: true)
    return "byte 0x" + (digits.count < 2 ? "0" : "") + digits
  }

  // MARK: Structure

  /// Reads up to and including the next value of an open container, or its end.
  private mutating func advance(_ container: Int) throws(JSONError) {
    let isObject = tape[container].kind == .object
    let close = UInt8(ascii: isObject ? "}" : "]")
    skipWhitespace()
    if peek() == close {
      position += 1
      open.removeLast()
      tape[container].next = UInt32(tape.count)
      return
    }
    if tape[container].end > 0 {
      guard peek() == UInt8(ascii: ",") else {
        throw failure("expected ',' or '\(isObject ? "}" : "]")', found \(found(at: position))")
      }
      position += 1
      skipWhitespace()
    }
    if isObject { try appendName() }
    tape[container].end += 1
    try appendValue()
  }

  private mutating func appendName() throws(JSONError) {
    guard peek() == UInt8(ascii: "\"") else {
      throw failure("expected a member name in quotes, found \(found(at: position))")
    }
    try appendString()
    skipWhitespace()
    guard peek() == UInt8(ascii: ":") else {
      throw failure("expected ':' after a member name, found \(found(at: position))")
    }
    position += 1
    skipWhitespace()
  }

  private mutating func appendValue() throws(JSONError) {
    switch peek() {
    case UInt8(ascii: "{"): try openContainer(.object)
    case UInt8(ascii: "["): try openContainer(.array)
    case UInt8(ascii: "\""): try appendString()
    case UInt8(ascii: "t"): try appendKeyword("true", .true)
    case UInt8(ascii: "f"): try appendKeyword("false", .false)
    case UInt8(ascii: "n"): try appendKeyword("null", .null)
    case .some(UInt8(ascii: "-")), .some(UInt8(ascii: "0")...UInt8(ascii: "9")):
      try appendNumber()
    default: throw failure("expected a value, found \(found(at: position))")
    }
  }

  private mutating func openContainer(_ kind: TapeEntry.Kind) throws(JSONError) {
    guard open.count < maximumDepth else {
      throw failure("nested deeper than \(maximumDepth) levels")
    }
    open.append(tape.count)
    append(kind, from: position, to: 0)
    position += 1
  }

  private mutating func appendKeyword(_ word: StaticString, _ kind: TapeEntry.Kind)
    throws(JSONError)
  {
    let start = position
    for offset in 0..<word.utf8CodeUnitCount {
      guard peek() == word.utf8Start[offset] else {
        throw failure("expected '\(word)', found \(found(at: position))")
      }
      position += 1
    }
    append(kind, from: start, to: position)
  }

  mutating func append(_ kind: TapeEntry.Kind, from start: Int, to end: Int) {
    tape.append(
      TapeEntry(
        start: UInt32(start), end: UInt32(end), next: UInt32(tape.count + 1), kind: kind))
  }

  func peek() -> UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipWhitespace() {
    var index = position
    skipping: while index < bytes.count {
      switch bytes[index] {
      case 0x20, 0x0A, 0x0D, 0x09: index += 1
      default: break skipping
      }
    }
    position = index
  }
}
