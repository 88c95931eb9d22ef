// Parses requests from bytes that arrive in any pieces: first `parseHead`; then, when the caller
// has looked at the head and set a limit, `parseBody`. A plain value without I/O. Three outcomes,
// and the same one however the bytes were cut: every check happens at a byte or at a line's end.

import HTTPTypes

package struct RequestParser: Sendable {
  private enum State: Sendable {
    case beforeRequest
    case fields(RequestLine)
    case body(BodyParser)
  }

  private let limits: RequestLimits
  private var state = State.beforeRequest
  private var reader = LineReader()
  private var fields = HTTPFields()
  private var fieldByteCount = 0
  /// RFC 9112 section 2.2: one empty line before a request is ignored, for old clients that end a
  /// body with one.
  private var hasSkippedLine = false

  package init(limits: RequestLimits = RequestLimits()) { self.limits = limits }

  /// A byte of a request has come.
  package var hasStarted: Bool {
    if case .beforeRequest = state { return !reader.isEmpty }
    return true
  }

  /// Reads from `offset` on and moves it behind what it used.
  package mutating func parseHead(
    _ input: UnsafeRawBufferPointer, _ offset: inout Int
  ) -> ParseOutcome<RequestHead> {
    do throws(ProtocolFailure) {
      while true {
        let limit = lineLimit
        switch try reader.read(input, &offset, limit: limit) {
        case .needMore: return .needMore
        case .tooLong: throw lineTooLong
        case .complete: break
        }
        defer { reader.reset() }
        if let head = try takeLine() { return .complete(head) }
      }
    } catch {
      return .bad(error)
    }
  }

  /// Starts the body of a head, of which no more than `limit` bytes are taken. Fails at once if
  /// the head says that there will be more.
  package mutating func beginBody(
    _ framing: BodyFraming, limit: Int
  ) throws(ProtocolFailure) {
    state = .body(
      try BodyParser(framing, limit: limit, overheadLimit: limits.chunkOverheadBytes))
  }

  /// The body, once it is complete; the parser is then ready for the next request.
  package mutating func parseBody(
    _ input: UnsafeRawBufferPointer, _ offset: inout Int
  ) -> ParseOutcome<[UInt8]> {
    guard case .body(var body) = state else { return .complete([]) }
    state = .beforeRequest  // One owner of the body's bytes: no copy of them.
    let outcome = body.parse(input, &offset)
    if case .complete = outcome {
      self = RequestParser(limits: limits)
    } else {
      state = .body(body)
    }
    return outcome
  }

  // MARK: Lines

  private mutating func takeLine() throws(ProtocolFailure) -> RequestHead? {
    switch state {
    case .beforeRequest, .body:
      if reader.line.isEmpty, !hasSkippedLine {
        hasSkippedLine = true
        return nil
      }
      state = .fields(try RequestLine(reader.line, targetLimit: limits.targetBytes))
      return nil
    case .fields(let line):
      guard !reader.line.isEmpty else { return try RequestHead(line: line, fields: fields) }
      try takeField()
      return nil
    }
  }

  private mutating func takeField() throws(ProtocolFailure) {
    fieldByteCount += reader.line.count + 2
    guard fields.count < limits.fieldCount else {
      throw ProtocolFailure(
        .requestHeaderFieldsTooLarge, "more than \(limits.fieldCount) header fields")
    }
    let (name, value) = try FieldSyntax.parse(reader.line)
    guard let name = HTTPField.Name(name) else {
      throw ProtocolFailure(.badRequest, "a header's name is invalid")
    }
    fields.append(HTTPField(name: name, lenientValue: value))
  }

  private var lineLimit: Int {
    switch state {
    // The longest method, two spaces and the version beside the target.
    case .beforeRequest, .body: limits.targetBytes + 32
    case .fields: limits.fieldBytes - fieldByteCount
    }
  }

  private var lineTooLong: ProtocolFailure {
    guard case .fields = state else { return RequestLine.targetTooLong }
    return ProtocolFailure(
      .requestHeaderFieldsTooLarge, "more than \(limits.fieldBytes) bytes of header fields")
  }
}
