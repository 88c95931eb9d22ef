// Lines of a head, of chunk sizes or of trailers, collected from input that may arrive in any
// pieces. Strict as RFC 9112 section 2.2 allows: a line ends with CR LF; a bare LF, a bare CR and a
// NUL are refused at the byte where they stand, so that the verdict never depends on the pieces.

struct LineReader: Sendable {
  /// The line so far, without its end.
  private(set) var line: [UInt8] = []
  private var hasCarriageReturn = false

  var isEmpty: Bool { line.isEmpty && !hasCarriageReturn }

  enum Progress {
    /// `line` holds a whole line.
    case complete
    case needMore
    case tooLong
  }

  /// Reads up to the end of a line of at most `limit` bytes.
  mutating func read(
    _ input: UnsafeRawBufferPointer, _ offset: inout Int, limit: Int
  ) throws(ProtocolFailure) -> Progress {
    var index = offset
    let allowed = max(0, limit - line.count)
    while index < input.count {
      let byte = input[index]
      if hasCarriageReturn {
        guard byte == UInt8(ascii: "\n") else {
          throw ProtocolFailure(.badRequest, "a carriage return without a line feed")
        }
        offset = index + 1
        return .complete
      }
      switch byte {
      case UInt8(ascii: "\r"):
        line.append(contentsOf: UnsafeRawBufferPointer(rebasing: input[offset..<index]))
        hasCarriageReturn = true
      case UInt8(ascii: "\n"):
        throw ProtocolFailure(.badRequest, "a line feed without a carriage return")
      case 0:
        throw ProtocolFailure(.badRequest, "a NUL byte")
      default:
        if index - offset >= allowed { return .tooLong }
      }
      index += 1
    }
    if !hasCarriageReturn {
      line.append(contentsOf: UnsafeRawBufferPointer(rebasing: input[offset..<index]))
    }
    offset = index
    return .needMore
  }

  /// Ready for the next line.
  mutating func reset() {
    line.removeAll(keepingCapacity: true)
    hasCarriageReturn = false
  }
}

/// What a parser makes of the bytes that it has been given so far.
package enum ParseOutcome<Value: Sendable>: Sendable {
  case complete(Value)
  case needMore
  case bad(ProtocolFailure)
}
