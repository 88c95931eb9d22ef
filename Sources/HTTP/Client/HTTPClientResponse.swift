// An answer as the client reads it: status and fields at once, the body as a sequence of pieces,
// to be gone through once.

package import HTTPTypes
import Transport

package struct HTTPClientResponse: Sendable, AsyncSequence {
  package typealias Element = [UInt8]

  package let status: HTTPResponse.Status
  package let headers: HTTPFields

  private enum Framing: Sendable {
    case parsed(BodyParser)
    case untilClose
  }

  private let owner: ConnectionOwner
  private let framing: Framing
  /// Came together with the head.
  private let received: [UInt8]

  init(_ owner: ConnectionOwner, isHead: Bool) async throws {
    self.owner = owner
    var received: [UInt8] = []
    var head: ResponseHead
    repeat {
      var parser = ResponseHeadParser()
      head = try await parser.read(from: owner.connection, &received)
    } while head.status.kind == .informational
    status = head.status
    headers = head.fields
    framing = try Self.framing(of: head, isHead: isHead)
    self.received = received
  }

  private static func framing(of head: ResponseHead, isHead: Bool) throws -> Framing {
    func parsed(_ framing: BodyFraming) throws -> Framing {
      .parsed(try BodyParser(framing, limit: .max, overheadLimit: 1 << 20))
    }
    let isEmpty = isHead || head.status == .noContent || head.status == .notModified
    if isEmpty { return try parsed(.none) }
    if let coding = head.fields[.transferEncoding] {
      guard coding.lowercased() == "chunked" else {
        throw HTTPError.badResponse(reason: "transfer coding '\(coding)' is not supported")
      }
      return try parsed(.chunked)
    }
    guard let text = head.fields[.contentLength] else { return .untilClose }
    guard let length = Int(text), length >= 0 else {
      throw HTTPError.badResponse(reason: "its Content-Length is '\(text)'")
    }
    return try parsed(.length(length))
  }

  /// Reads the body to its end. Throws where it is longer than `limit` bytes.
  package func wholeBody(limit: Int = .max) async throws -> [UInt8] {
    var body: [UInt8] = []
    for try await piece in self {
      guard piece.count <= limit - body.count else {
        throw HTTPError.badResponse(reason: "its body has more than \(limit) bytes")
      }
      body.append(contentsOf: piece)
    }
    return body
  }

  /// The body's lines, without their ends: what a reader of server-sent events wants.
  package var lines: Lines { Lines(response: self) }

  package func makeAsyncIterator() -> Iterator { Iterator(self) }

  package struct Iterator: AsyncIteratorProtocol {
    private let owner: ConnectionOwner
    private var framing: Framing
    private var pending: [UInt8]
    private var isComplete = false

    fileprivate init(_ response: HTTPClientResponse) {
      owner = response.owner
      framing = response.framing
      pending = response.received
    }

    /// The next piece, never empty. Throws when the body is cut short.
    package mutating func next() async throws -> [UInt8]? {
      while !isComplete {
        let piece = try decodePending()
        if !piece.isEmpty { return piece }
        if isComplete { break }
        guard let bytes = try await receive() else {
          if case .untilClose = framing { break }
          throw HTTPError.badResponse(reason: "the body is cut short")
        }
        pending = bytes
      }
      await owner.connection.close()
      return nil
    }

    private func receive() async throws -> [UInt8]? {
      do { return try await owner.connection.read() } catch let error as TransportError {
        throw HTTPError.transport(error)
      }
    }

    private mutating func decodePending() throws(HTTPError) -> [UInt8] {
      guard case .parsed(var parser) = framing else {
        defer { pending = [] }
        return pending
      }
      var offset = 0
      switch pending.withUnsafeBytes({ parser.parse($0, &offset) }) {
      case .bad(let failure): throw .badResponse(reason: failure.reason)
      case .complete: isComplete = true
      case .needMore: break
      }
      pending = []
      let piece = parser.takeDecoded()
      framing = .parsed(parser)
      return piece
    }
  }

  package struct Lines: AsyncSequence, Sendable {
    package typealias Element = String

    let response: HTTPClientResponse

    package func makeAsyncIterator() -> Iterator {
      Iterator(pieces: response.makeAsyncIterator())
    }

    package struct Iterator: AsyncIteratorProtocol {
      var pieces: HTTPClientResponse.Iterator
      private var text: [UInt8] = []

      fileprivate init(pieces: HTTPClientResponse.Iterator) { self.pieces = pieces }

      package mutating func next() async throws -> String? {
        while true {
          if let end = text.firstIndex(of: UInt8(ascii: "\n")) {
            var line = text[..<end]
            if line.last == UInt8(ascii: "\r") { line.removeLast() }
            defer { text.removeFirst(end + 1) }
            return String(decoding: line, as: UTF8.self)
          }
          guard let piece = try await pieces.next() else {
            defer { text = [] }
            return text.isEmpty ? nil : String(decoding: text, as: UTF8.self)
          }
          text.append(contentsOf: piece)
        }
      }
    }
  }
}

struct ResponseHead: Sendable {
  var status: HTTPResponse.Status
  var fields = HTTPFields()
}

/// Status line and fields of an answer: RFC 9112 section 4.
struct ResponseHeadParser: Sendable {
  private static let lineLimit = 64 << 10
  private static let fieldLimit = 1000

  private var reader = LineReader()
  private var head: ResponseHead?

  /// Reads until the head is complete, leaving in `received` what came after it.
  mutating func read(
    from connection: ClientConnection, _ received: inout [UInt8]
  ) async throws -> ResponseHead {
    while true {
      var offset = 0
      let head = try received.withUnsafeBytes { bytes throws(HTTPError) in
        try parse(bytes, &offset)
      }
      received.removeFirst(offset)
      if let head { return head }
      guard let bytes = try await connection.read() else {
        throw HTTPError.badResponse(reason: "the connection was closed before the answer")
      }
      received.append(contentsOf: bytes)
    }
  }

  mutating func parse(
    _ input: UnsafeRawBufferPointer, _ offset: inout Int
  ) throws(HTTPError) -> ResponseHead? {
    do throws(ProtocolFailure) {
      while true {
        switch try reader.read(input, &offset, limit: Self.lineLimit) {
        case .needMore: return nil
        case .tooLong: throw ProtocolFailure(.badRequest, "a line of its head is too long")
        case .complete: break
        }
        defer { reader.reset() }
        if reader.line.isEmpty, let head { return head }
        try takeLine()
      }
    } catch {
      throw .badResponse(reason: error.reason)
    }
  }

  private mutating func takeLine() throws(ProtocolFailure) {
    guard head != nil else {
      let parts = reader.line.split(separator: UInt8(ascii: " "), maxSplits: 2)
      guard parts.count >= 2, parts[0].starts(with: "HTTP/1.".utf8),
        let code = Int(String(decoding: parts[1], as: UTF8.self)), (100...999).contains(code)
      else { throw ProtocolFailure(.badRequest, "it does not begin with 'HTTP/1.1 status'") }
      head = ResponseHead(status: HTTPResponse.Status(code: code))
      return
    }
    let (name, value) = try FieldSyntax.parse(reader.line)
    guard let name = HTTPField.Name(name), (head?.fields.count ?? 0) < Self.fieldLimit else {
      throw ProtocolFailure(.badRequest, "its header fields are invalid or too many")
    }
    head?.fields.append(HTTPField(name: name, lenientValue: value))
  }
}
