// The grammar of header fields: RFC 9110 sections 5.1, 5.5 and 5.6.2, RFC 9112 section 5.

import HTTPTypes

enum FieldSyntax {
  /// A field line taken apart. Refuses white space before the colon and line folding, which have
  /// been used to smuggle requests past proxies.
  static func parse(_ line: [UInt8]) throws(ProtocolFailure) -> (
    name: String, value: ArraySlice<UInt8>
  ) {
    if let first = line.first, isWhitespace(first) {
      throw ProtocolFailure(.badRequest, "a header line begins with white space")
    }
    guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else {
      throw ProtocolFailure(.badRequest, "a header line has no colon")
    }
    guard isToken(line[..<colon]) else {
      throw ProtocolFailure(.badRequest, "a header's name is empty or has a character not allowed")
    }
    let value = trimmed(line[(colon + 1)...])
    guard value.allSatisfy(isValueByte) else {
      throw ProtocolFailure(.badRequest, "a header's value has a control character")
    }
    return (String(decoding: line[..<colon], as: UTF8.self), value)
  }

  static func isToken(_ bytes: ArraySlice<UInt8>) -> Bool {
    !bytes.isEmpty && bytes.allSatisfy { $0 < 128 && tokenBytes[Int($0)] }
  }

  /// Elements of a comma-separated list, lowercased, empty ones left out (RFC 9110 section 5.6.1).
  static func list(_ value: String) -> [String] {
    value.utf8.split(separator: UInt8(ascii: ","))
      .map { String(decoding: trimmed(Array($0)[...]), as: UTF8.self).lowercased() }
      .filter { !$0.isEmpty }
  }

  static func isWhitespace(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")
  }

  private static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var bytes = bytes.drop(while: isWhitespace)
    while let last = bytes.last, isWhitespace(last) { bytes.removeLast() }
    return bytes
  }

  private static func isValueByte(_ byte: UInt8) -> Bool {
    byte >= 0x20 && byte != 0x7f || byte == UInt8(ascii: "\t")
  }

  private static let tokenBytes: [Bool] = {
    var table = [Bool](repeating: false, count: 128)
    let letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    for byte in (letters + "0123456789!#$%&'*+-.^_`|~").utf8 { table[Int(byte)] = true }
    return table
  }()
}
