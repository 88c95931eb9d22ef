// Bytes to text: UTF-8, with or without a byte order mark. Refuses anything else by naming the
// offset of the first byte that is wrong, because a guessed encoding silently damages text.

enum UTF8Text {
  static func decode(_ bytes: [UInt8]) throws(RetrievalError) -> String {
    let hasMark = bytes.starts(with: [0xEF, 0xBB, 0xBF])
    let payload = bytes[(hasMark ? 3 : 0)...]
    if let text = String(validating: payload, as: UTF8.self) { return text }
    if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
      throw .invalidRequest(
        field: "body", message: "the text is UTF-16; only UTF-8 can be read: convert it first")
    }
    let offset = payload.startIndex + validPrefixCount(payload)
    let byte = bytes.indices.contains(offset) ? String(bytes[offset], radix: 16) : "?"
    throw .invalidRequest(
      field: "body",
      message: "invalid UTF-8 at byte offset \(offset) (0x\(byte)); only UTF-8 can be read")
  }

  private static func validPrefixCount(_ bytes: ArraySlice<UInt8>) -> Int {
    var parser = Unicode.UTF8.ForwardParser()
    var iterator = bytes.makeIterator()
    var count = 0
    while true {
      switch parser.parseScalar(from: &iterator) {
      case .valid(let scalar): count += scalar.count
      case .emptyInput, .error: return count
      }
    }
  }
}
