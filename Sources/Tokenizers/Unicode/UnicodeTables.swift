// How the generated Unicode data is stored and looked up: base64 text of varints, unpacked once into
// two-stage tables. The data is part of this program, so it is trusted to be well-formed.

/// Namespace of the generated constants.
enum UnicodeTables {}

/// Reads the varint stream of a generated constant.
struct PackedReader {
  private let bytes: [UInt8]
  private var position = 0

  init(_ base64: StaticString) {
    bytes = base64.withUTF8Buffer { Self.decodeBase64($0) }
  }

  private static func decodeBase64(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count / 4 * 3)
    var bits: UInt32 = 0
    var bitCount = 0
    for character in text {
      guard let value = sextet(character) else { break }
      bits = bits << 6 | value
      bitCount += 6
      if bitCount >= 8 {
        bitCount -= 8
        bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(bitCount)))
      }
    }
    return bytes
  }

  private static func sextet(_ character: UInt8) -> UInt32? {
    switch character {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(character) - 65
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(character) - 97 + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(character) - 48 + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }

  mutating func unsigned() -> UInt32 {
    var value: UInt32 = 0
    var shift: UInt32 = 0
    while true {
      let byte = bytes[position]
      position += 1
      value |= UInt32(byte & 0x7F) << shift
      if byte < 0x80 { return value }
      shift += 7
    }
  }

  /// A difference, zigzag coded, added to `base`.
  mutating func offset(from base: UInt32) -> UInt32 {
    let value = unsigned()
    return value & 1 == 0 ? base &+ value >> 1 : base &- (value >> 1 + 1)
  }

  /// Pairs of code point and number, code points ascending.
  mutating func pairs() -> [(UInt32, UInt32)] {
    var scalar: UInt32 = 0
    return (0..<unsigned()).map { _ in
      scalar += unsigned()
      return (scalar, unsigned())
    }
  }

  /// Triples of code points.
  mutating func triples() -> [(UInt32, UInt32, UInt32)] {
    var (first, second, third): (UInt32, UInt32, UInt32) = (0, 0, 0)
    return (0..<unsigned()).map { _ in
      first = offset(from: first)
      second = offset(from: second)
      third = offset(from: third)
      return (first, second, third)
    }
  }
}

/// A value for every code point, in blocks of 256 of which equal ones are stored once.
struct ScalarTable<Value: Hashable & Sendable>: Sendable {
  private var blocks: [UInt16] = []
  private var values: [Value] = []

  /// Runs ascending by first code point; the first one starts at 0.
  init(runs: [(start: UInt32, value: Value)]) {
    var blockOf: [[Value]: UInt16] = [:]
    var uniformBlockOf: [Value: UInt16] = [:]
    var run = 0
    blocks.reserveCapacity(0x1100)
    for start in stride(from: UInt32(0), to: 0x110000, by: 256) {
      while run + 1 < runs.count, runs[run + 1].start <= start { run += 1 }
      if run + 1 == runs.count || runs[run + 1].start >= start + 256 {
        let value = runs[run].value
        let index = uniformBlockOf[value] ?? store(Array(repeating: value, count: 256))
        uniformBlockOf[value] = index
        blocks.append(index)
        continue
      }
      let block = Self.block(at: start, from: run, of: runs)
      let index = blockOf[block] ?? store(block)
      blockOf[block] = index
      blocks.append(index)
    }
  }

  /// Single code points; all others have `otherwise`.
  init(entries: [(scalar: UInt32, value: Value)], otherwise: Value) {
    var runs: [(start: UInt32, value: Value)] = [(0, otherwise)]
    for (scalar, value) in entries {
      if runs[runs.count - 1].start == scalar { runs.removeLast() }
      runs.append((scalar, value))
      runs.append((scalar + 1, otherwise))
    }
    self.init(runs: runs)
  }

  private static func block(
    at start: UInt32, from run: Int, of runs: [(start: UInt32, value: Value)]
  ) -> [Value] {
    var run = run
    return (start..<start + 256).map { scalar in
      while run + 1 < runs.count, runs[run + 1].start <= scalar { run += 1 }
      return runs[run].value
    }
  }

  private mutating func store(_ block: [Value]) -> UInt16 {
    values += block
    return UInt16(values.count / 256 - 1)
  }

  /// `scalar` is below 0x110000.
  @inline(__always)
  subscript(scalar: UInt32) -> Value {
    values[Int(blocks[Int(scalar >> 8)]) << 8 | Int(scalar & 0xFF)]
  }
}

/// A sequence of scalars for some code points: decompositions, lower case.
struct ScalarMapping: Sendable {
  /// Where in `parts` a code point's scalars are: offset * 32 + count, 0 for none.
  private let table: ScalarTable<UInt32>
  private let parts: [UInt32]
  let scalars: [UInt32]

  init(_ reader: inout PackedReader, base: ScalarMapping? = nil) {
    var entries: [(scalar: UInt32, value: UInt32)] = []
    var parts = base?.parts ?? []
    var scalar: UInt32 = 0
    var part: UInt32 = 0
    for _ in 0..<reader.unsigned() {
      scalar += reader.unsigned()
      let count = reader.unsigned()
      entries.append((scalar, UInt32(parts.count) << 5 | count))
      for _ in 0..<count {
        part = reader.offset(from: part)
        parts.append(part)
      }
    }
    if let base {
      let own = Set(entries.map(\.scalar))
      entries += base.scalars.filter { !own.contains($0) }.map { ($0, base.table[$0]) }
      entries.sort { $0.scalar < $1.scalar }
    }
    self.parts = parts
    self.scalars = entries.map(\.scalar)
    table = ScalarTable(entries: entries, otherwise: 0)
  }

  /// The scalars that replace `scalar`, nil where it stays.
  @inline(__always)
  subscript(scalar: UInt32) -> ArraySlice<UInt32>? {
    let place = table[scalar]
    guard place != 0 else { return nil }
    let start = Int(place >> 5)
    return parts[start..<start + Int(place & 31)]
  }
}
