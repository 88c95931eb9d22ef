// A body, by its length or in chunks (RFC 9112 sections 6 and 7). Chunk extensions and
// trailers are checked and thrown away: nothing in them may change what the head said.

struct BodyParser: Sendable {
  private enum State: Sendable {
    case data(remaining: Int)
    case chunkSize
    case chunkEnd
    case trailers
  }

  private let isChunked: Bool
  private let limit: Int
  private let overheadLimit: Int
  private var state: State
  private var body: [UInt8] = []
  private var receivedCount = 0
  private var reader = LineReader()
  private var overheadCount = 0

  /// Memory is taken as bytes arrive, not on the word of a Content-Length.
  private static let largestReservation = 1 << 20
  /// Enough for any size that can be counted to; leading zeros end here.
  private static let sizeDigits = 16

  init(
    _ framing: BodyFraming, limit: Int, overheadLimit: Int
  ) throws(ProtocolFailure) {
    self.limit = limit
    self.overheadLimit = overheadLimit
    switch framing {
    case .none: (isChunked, state) = (false, .data(remaining: 0))
    case .length(let length):
      guard length <= limit else { throw Self.tooLarge(limit) }
      (isChunked, state) = (false, .data(remaining: length))
      body.reserveCapacity(min(length, Self.largestReservation))
    case .chunked: (isChunked, state) = (true, .chunkSize)
    }
  }

  static func tooLarge(_ limit: Int) -> ProtocolFailure {
    ProtocolFailure(.contentTooLarge, "the body is larger than the limit of \(limit) bytes")
  }

  /// Takes out what has been decoded so far; for readers that don't wait for the whole.
  mutating func takeDecoded() -> [UInt8] {
    let decoded = body
    body = []
    return decoded
  }

  mutating func parse(
    _ input: UnsafeRawBufferPointer, _ offset: inout Int
  ) -> ParseOutcome<[UInt8]> {
    do throws(ProtocolFailure) {
      while true {
        if case .data(let remaining) = state {
          let count = min(remaining, input.count - offset)
          body.append(contentsOf: UnsafeRawBufferPointer(rebasing: input[offset..<offset + count]))
          offset += count
          receivedCount += count
          state = .data(remaining: remaining - count)
          if count < remaining { return .needMore }
          if !isChunked { return .complete(body) }
          state = .chunkEnd
        }
        let limit = lineLimit
        switch try reader.read(input, &offset, limit: limit) {
        case .needMore: return .needMore
        case .tooLong: throw lineTooLong
        case .complete: break
        }
        defer { reader.reset() }
        if try takeLine() { return .complete(body) }
      }
    } catch {
      return .bad(error)
    }
  }

  /// True at the end of the body.
  private mutating func takeLine() throws(ProtocolFailure) -> Bool {
    switch state {
    case .chunkSize:
      let size = try chunkSize()
      guard size <= limit - receivedCount else { throw Self.tooLarge(limit) }
      state = size == 0 ? .trailers : .data(remaining: size)
    case .chunkEnd:
      state = .chunkSize
    case .trailers:
      guard !reader.line.isEmpty else { return true }
      overheadCount += reader.line.count + 2
      _ = try FieldSyntax.parse(reader.line)
    case .data: break
    }
    return false
  }

  /// `1A`, `1a;extension=value`: digits, and nothing between them and the extension.
  private mutating func chunkSize() throws(ProtocolFailure) -> Int {
    let digits = reader.line.prefix { hexadecimalValue($0) != nil }
    var size = 0
    for digit in digits {
      let (shifted, overflow) = size.multipliedReportingOverflow(by: 16)
      guard !overflow, let value = hexadecimalValue(digit) else {
        throw ProtocolFailure(.badRequest, "a chunk's size is too large to count to")
      }
      size = shifted | Int(value)
    }
    let rest = reader.line[digits.endIndex...]
    let suffix = rest.drop(while: FieldSyntax.isWhitespace)
    guard !digits.isEmpty, rest.isEmpty || suffix.first == UInt8(ascii: ";"),
      rest.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 9 }), digits.count <= Self.sizeDigits
    else { throw ProtocolFailure(.badRequest, "a chunk's size is not a hexadecimal number") }
    overheadCount += rest.count
    return size
  }

  private var lineLimit: Int {
    switch state {
    case .chunkEnd, .data: 0
    case .chunkSize: Self.sizeDigits + overheadLimit - overheadCount
    case .trailers: overheadLimit - overheadCount
    }
  }

  private var lineTooLong: ProtocolFailure {
    switch state {
    case .chunkEnd, .data: ProtocolFailure(.badRequest, "a chunk is longer than its size says")
    case .chunkSize: ProtocolFailure(.badRequest, "the chunk extensions are too long")
    case .trailers:
      ProtocolFailure(.requestHeaderFieldsTooLarge, "the trailers are too long")
    }
  }
}
