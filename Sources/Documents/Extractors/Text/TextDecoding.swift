// Bytes to text whatever their encoding: byte order marks, then UTF-8 where the bytes are valid, then
// the charset that was declared, then the one encoding that explains the bytes far better than all
// others (EncodingGuess). Relies on glibc's iconv. Refuses what stays unclear, naming the remedy:
// a wrong guess damages text silently.

package enum TextDecoding {
  /// Whether an encoding has this name.
  package static func isEncoding(_ name: String) -> Bool { Charset(label: name) != nil }

  /// - Parameter charset: what a header, a meta element or the user said
  static func decode(_ bytes: [UInt8], charset: String? = nil) throws(DocumentError) -> String {
    if let text = try decodeMarked(bytes) { return text }
    let declared = charset.flatMap(Charset.init(label:))
    // These write other scripts in seven bits, so that they look like UTF-8.
    if let declared, declared.isSevenBit, bytes.contains(where: { $0 == 0x1B || $0 == 0x7E }),
      let text = declared.decode(bytes)
    {
      return text
    }
    if let text = String(validating: bytes, as: UTF8.self) { return text }
    if let declared, let text = declared.decode(bytes) { return text }
    if let text = Charset.utf16WithoutMark(bytes)?.decode(bytes) { return text }
    if let text = EncodingGuess(bytes).charset?.decode(bytes) { return text }
    throw refusal(bytes, charset: charset)
  }

  /// UTF-8, UTF-16 or UTF-32 behind a byte order mark, which is no part of the text.
  private static func decodeMarked(_ bytes: [UInt8]) throws(DocumentError) -> String? {
    for (mark, charset) in Charset.marks where bytes.starts(with: mark) {
      guard let text = charset.decode(Array(bytes[mark.count...])) else {
        guard charset == .utf8 else {
          throw .invalidRequest(
            field: "body", message: "it begins like \(charset.name), and then isn't")
        }
        throw refusal(bytes, charset: nil)
      }
      return text
    }
    return nil
  }

  private static func refusal(_ bytes: [UInt8], charset: String?) -> DocumentError {
    let offset = validPrefixCount(bytes)
    let byte = bytes.indices.contains(offset) ? String(bytes[offset], radix: 16) : "?"
    let declared = charset.map { " nor in \"\($0)\"" } ?? ""
    return .invalidRequest(
      field: "body",
      message: """
        invalid UTF-8 at byte offset \(offset) (0x\(byte))\(declared), and no other encoding is \
        certain; say which it is (charset=... in Content-Type, or --encoding), or convert it first
        """)
  }

  private static func validPrefixCount(_ bytes: [UInt8]) -> Int {
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
