// Scalars out of and into arrays of UTF-8 bytes. The readers expect well-formed UTF-8, which
// everything that comes from a Swift string is; the lossy stream accepts any bytes.

/// The scalar whose first byte is at `index`, and how many bytes it has.
@inline(__always)
func scalar(in text: [UInt8], at index: Int) -> (value: UInt32, length: Int) {
  let first = UInt32(text[index])
  if first < 0x80 { return (first, 1) }
  let second = UInt32(text[index + 1] & 0x3F)
  if first < 0xE0 { return ((first & 0x1F) << 6 | second, 2) }
  let third = UInt32(text[index + 2] & 0x3F)
  if first < 0xF0 { return ((first & 0x0F) << 12 | second << 6 | third, 3) }
  return ((first & 0x07) << 18 | second << 12 | third << 6 | UInt32(text[index + 3] & 0x3F), 4)
}

/// The scalar that ends before `index`, which is above 0.
func scalar(in text: [UInt8], before index: Int) -> (value: UInt32, length: Int) {
  var start = index - 1
  while start > 0, text[start] & 0xC0 == 0x80 { start -= 1 }
  return scalar(in: text, at: start)
}

extension [UInt8] {
  /// Appends a scalar in UTF-8.
  @inline(__always)
  mutating func append(scalar: UInt32) {
    if scalar < 0x80 {
      append(UInt8(truncatingIfNeeded: scalar))
    } else if scalar < 0x800 {
      append(UInt8(truncatingIfNeeded: 0xC0 | scalar >> 6))
      append(UInt8(truncatingIfNeeded: 0x80 | scalar & 0x3F))
    } else if scalar < 0x10000 {
      append(UInt8(truncatingIfNeeded: 0xE0 | scalar >> 12))
      append(UInt8(truncatingIfNeeded: 0x80 | scalar >> 6 & 0x3F))
      append(UInt8(truncatingIfNeeded: 0x80 | scalar & 0x3F))
    } else {
      append(UInt8(truncatingIfNeeded: 0xF0 | scalar >> 18))
      append(UInt8(truncatingIfNeeded: 0x80 | scalar >> 12 & 0x3F))
      append(UInt8(truncatingIfNeeded: 0x80 | scalar >> 6 & 0x3F))
      append(UInt8(truncatingIfNeeded: 0x80 | scalar & 0x3F))
    }
  }

  var isASCII: Bool { allSatisfy { $0 < 0x80 } }

  /// Where `pattern`, which is not empty, first occurs in `self[range]`.
  func firstIndex(of pattern: [UInt8], in range: Range<Int>) -> Int? {
    guard let first = pattern.first, range.count >= pattern.count else { return nil }
    var index = range.lowerBound
    while index <= range.upperBound - pattern.count {
      if self[index] == first, self[index..<index + pattern.count].elementsEqual(pattern) {
        return index
      }
      index += 1
    }
    return nil
  }

  /// Every occurrence of `pattern`, from the left and not overlapping, replaced by `content`.
  func replacing(_ pattern: [UInt8], with content: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var start = 0
    while let match = firstIndex(of: pattern, in: start..<count) {
      result += self[start..<match]
      result += content
      start = match + pattern.count
    }
    if start == 0 { return self }
    result += self[start...]
    return result
  }
}

/// Turns a stream of bytes into well-formed UTF-8: one U+FFFD for each maximal part of an ill-formed
/// sequence (Unicode 3.9, table 3-8), as Rust and the WHATWG do. Holds back incomplete sequences.
struct LossyUTF8Stream: Sendable {
  private static let replacement: [UInt8] = [0xEF, 0xBF, 0xBD]
  /// An incomplete but so far well-formed sequence: at most three bytes.
  private var pending: [UInt8] = []

  mutating func append(_ bytes: [UInt8], to output: inout [UInt8]) {
    for byte in bytes {
      if !pending.isEmpty {
        if Self.canContinue(pending, with: byte) {
          pending.append(byte)
          if pending.count == Self.length(startingWith: pending[0]) {
            output += pending
            pending.removeAll(keepingCapacity: true)
          }
          continue
        }
        output += Self.replacement
        pending.removeAll(keepingCapacity: true)
      }
      switch Self.length(startingWith: byte) {
      case 0: output += Self.replacement
      case 1: output.append(byte)
      default: pending.append(byte)
      }
    }
  }

  mutating func finish(into output: inout [UInt8]) {
    if !pending.isEmpty { output += Self.replacement }
    pending.removeAll()
  }

  /// How many bytes a sequence with this first byte has, 0 for a byte that starts none.
  private static func length(startingWith byte: UInt8) -> Int {
    switch byte {
    case 0x00...0x7F: 1
    case 0xC2...0xDF: 2
    case 0xE0...0xEF: 3
    case 0xF0...0xF4: 4
    default: 0
    }
  }

  private static func canContinue(_ pending: [UInt8], with byte: UInt8) -> Bool {
    guard pending.count == 1 else { return byte & 0xC0 == 0x80 }
    switch pending[0] {
    case 0xE0: return (0xA0...0xBF).contains(byte)
    case 0xED: return (0x80...0x9F).contains(byte)
    case 0xF0: return (0x90...0xBF).contains(byte)
    case 0xF4: return (0x80...0x8F).contains(byte)
    default: return byte & 0xC0 == 0x80
    }
  }
}
