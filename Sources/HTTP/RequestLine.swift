// The first line of a request: RFC 9112 section 3. One space between the parts, nothing else.

import HTTPTypes

struct RequestLine: Sendable {
  let method: HTTPRequest.Method
  /// In origin form (`/path?query`), or `*`.
  let target: String
  /// Named by an absolute-form target; goes before the Host header then.
  let authority: String?
  /// 0 or 1; a later 1.x client is told 1.1 and expected to understand it.
  let minorVersion: Int

  private static let methods: [HTTPRequest.Method] = [
    .get, .head, .post, .put, .delete, .options, .patch, .trace,
  ]

  init(_ line: [UInt8], targetLimit: Int) throws(ProtocolFailure) {
    let parts = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
    guard parts.count == 3, FieldSyntax.isToken(parts[0]), !parts[1].isEmpty else {
      throw ProtocolFailure(.badRequest, "the request line is not 'METHOD target HTTP/1.1'")
    }
    guard parts[1].count <= targetLimit else { throw Self.targetTooLong }
    minorVersion = try Self.version(parts[2])
    let name = String(decoding: parts[0], as: UTF8.self)
    guard let method = Self.methods.first(where: { $0.rawValue == name }) else {
      throw ProtocolFailure(.notImplemented, "unknown method '\(name.prefix(32))'")
    }
    self.method = method
    (authority, target) = try Self.target(parts[1], method: method)
  }

  static var targetTooLong: ProtocolFailure {
    ProtocolFailure(.uriTooLong, "the request target is too long")
  }

  private static func version(_ text: ArraySlice<UInt8>) throws(ProtocolFailure) -> Int {
    let bytes = Array(text)
    guard bytes.count == 8, bytes.starts(with: "HTTP/".utf8), bytes[6] == UInt8(ascii: "."),
      (48...57).contains(bytes[5]), (48...57).contains(bytes[7])
    else {
      throw ProtocolFailure(.badRequest, "the request line does not end with an HTTP version")
    }
    guard bytes[5] == UInt8(ascii: "1") else {
      throw ProtocolFailure(
        .httpVersionNotSupported, "only versions 1.0 and 1.1 of HTTP are spoken here")
    }
    return bytes[7] == UInt8(ascii: "0") ? 0 : 1
  }

  private static func target(
    _ bytes: ArraySlice<UInt8>, method: HTTPRequest.Method
  ) throws(ProtocolFailure) -> (authority: String?, target: String) {
    guard bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "#") }) else {
      throw ProtocolFailure(.badRequest, "the request target has a character not allowed")
    }
    let text = String(decoding: bytes, as: UTF8.self)
    if bytes.first == UInt8(ascii: "/") { return (nil, text) }
    if text == "*", method == .options { return (nil, text) }
    // Absolute form: what clients send to proxies; servers must take it too (section 3.2.2).
    for scheme in ["http://", "https://"] where text.lowercased().hasPrefix(scheme) {
      let rest = text.dropFirst(scheme.count)
      let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
      guard RequestHead.isAuthority(String(rest[..<end])) else { break }
      let path = String(rest[end...])
      return (String(rest[..<end]), path.hasPrefix("/") ? path : "/" + path)
    }
    throw ProtocolFailure(.badRequest, "the request target does not begin with '/'")
  }
}
