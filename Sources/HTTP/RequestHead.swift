// A request's head and what it means for the connection: where the body ends, whether another
// request may follow, what the client waits for. RFC 9112 sections 3, 6 and 9.
// Refuses everything about which two readers could disagree.

package import HTTPTypes

/// How a body's end is known.
package enum BodyFraming: Sendable, Hashable {
  /// Neither Content-Length nor Transfer-Encoding: a request has no body then.
  case none
  case length(Int)
  case chunked

  var mayHaveBody: Bool { self != .none && self != .length(0) }
}

package struct RequestHead: Sendable {
  package let request: HTTPRequest
  package let target: String
  package let minorVersion: Int
  package let framing: BodyFraming
  package let keepsAlive: Bool
  package let expectsContinue: Bool
  /// An Expect that is not 100-continue.
  package let hasUnknownExpectation: Bool

  let parts: RequestTarget

  init(
    line: RequestLine, fields: HTTPFields
  ) throws(ProtocolFailure) {
    let host = try Self.host(in: fields, minorVersion: line.minorVersion)
    framing = try Self.framing(of: fields, minorVersion: line.minorVersion)
    guard let parts = RequestTarget(line.target) else {
      throw ProtocolFailure(.badRequest, "the target's percent-encoding is invalid")
    }
    self.parts = parts
    target = line.target
    minorVersion = line.minorVersion
    let options = FieldSyntax.list(fields[.connection] ?? "")
    keepsAlive =
      !options.contains("close") && (minorVersion >= 1 || options.contains("keep-alive"))
    // RFC 9110 section 10.1.1: an expectation of an HTTP/1.0 client is ignored.
    let expectations = minorVersion >= 1 ? FieldSyntax.list(fields[.expect] ?? "") : []
    expectsContinue = expectations.contains("100-continue")
    hasUnknownExpectation = expectations.contains { $0 != "100-continue" }
    request = HTTPRequest(
      method: line.method, scheme: "http", authority: line.authority ?? host, path: line.target,
      headerFields: fields)
  }

  // MARK: Framing

  private static func framing(
    of fields: HTTPFields, minorVersion: Int
  ) throws(ProtocolFailure) -> BodyFraming {
    let lengths = fields[values: .contentLength]
    let codings = fields[values: .transferEncoding]
    guard !codings.isEmpty else { return try length(lengths) }
    // RFC 9112 section 6.1: both together is how requests are smuggled.
    guard lengths.isEmpty else {
      throw ProtocolFailure(.badRequest, "both Content-Length and Transfer-Encoding")
    }
    guard minorVersion >= 1 else {
      throw ProtocolFailure(.badRequest, "Transfer-Encoding in an HTTP/1.0 request")
    }
    return try transferCoding(codings.flatMap(FieldSyntax.list))
  }

  private static func length(_ values: [String]) throws(ProtocolFailure) -> BodyFraming {
    guard let value = values.first else { return .none }
    guard values.count == 1 else {
      throw ProtocolFailure(.badRequest, "more than one Content-Length")
    }
    // Digits only: Int() alone would take a sign.
    guard value.utf8.allSatisfy({ (48...57).contains($0) }), let length = Int(value) else {
      throw ProtocolFailure(.badRequest, "Content-Length is not a number that can be counted to")
    }
    return .length(length)
  }

  private static func transferCoding(_ codings: [String]) throws(ProtocolFailure) -> BodyFraming {
    guard let last = codings.last, !codings.dropLast().contains("chunked") else {
      throw ProtocolFailure(.badRequest, "Transfer-Encoding is empty or chunked before its end")
    }
    let known = ["chunked", "gzip", "x-gzip", "deflate", "compress", "x-compress", "identity"]
    if let unknown = codings.first(where: { !known.contains($0) }) {
      throw ProtocolFailure(.notImplemented, "unknown transfer coding '\(unknown)'")
    }
    guard last == "chunked" else {
      throw ProtocolFailure(.badRequest, "the last transfer coding is not chunked")
    }
    guard codings.count == 1 else {
      throw ProtocolFailure(.notImplemented, "transfer coding '\(codings[0])' is not supported")
    }
    return .chunked
  }

  // MARK: Host

  /// RFC 9112 section 3.2: exactly one and valid; HTTP/1.0 may leave it out.
  private static func host(
    in fields: HTTPFields, minorVersion: Int
  ) throws(ProtocolFailure) -> String? {
    let values = fields[values: hostName]
    guard let value = values.first else {
      if minorVersion == 0 { return nil }
      throw ProtocolFailure(.badRequest, "no Host header")
    }
    guard values.count == 1 else { throw ProtocolFailure(.badRequest, "more than one Host header") }
    guard isAuthority(value) else {
      throw ProtocolFailure(.badRequest, "the Host header is invalid")
    }
    return value
  }

  private static let hostName = HTTPField.Name("Host") ?? .date

  /// `host`, `host:port`, `[v6]` or `[v6]:port`; no user information.
  static func isAuthority(_ text: String) -> Bool {
    var rest = Array(text.utf8)[...]
    if rest.first == UInt8(ascii: "[") {
      guard let end = rest.firstIndex(of: UInt8(ascii: "]")) else { return false }
      let inside = rest[..<end].dropFirst()
      guard !inside.isEmpty,
        inside.allSatisfy({ hexadecimalValue($0) != nil || $0 == 58 || $0 == 46 })
      else { return false }
      rest = rest[(end + 1)...]
    } else {
      let end = rest.firstIndex(of: UInt8(ascii: ":")) ?? rest.endIndex
      guard end > rest.startIndex, rest[..<end].allSatisfy(isHostByte) else { return false }
      rest = rest[end...]
    }
    guard !rest.isEmpty else { return true }
    return rest.first == UInt8(ascii: ":")
      && rest.dropFirst().allSatisfy { (48...57).contains($0) } && rest.count <= 6
  }

  /// RFC 3986 reg-name: unreserved, sub-delims and the percent sign.
  private static func isHostByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 48...57, 65...90, 97...122: true
    default: "-._~%!$&'()*+,;=".utf8.contains(byte)
    }
  }
}
