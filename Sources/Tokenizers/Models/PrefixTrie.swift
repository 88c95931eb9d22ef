// All tokens that begin at a place of a text, shortest first. A trie whose edges lie in one hash table:
// a token's bytes are looked up one by one, and most places of a text leave the trie after a few.

struct PrefixTrie: Sendable {
  /// Nodes and children must fit into 28 bits each; a vocabulary has far fewer.
  static let maximumBytes = 1 << 28

  private static let free: UInt64 = 0
  /// Child of the root by byte, 0 for none: the root itself is nobody's child.
  private var roots: [Int32] = Array(repeating: 0, count: 256)
  /// node << 36 | byte << 28 | child.
  private var edges: [UInt64]
  private let shift: UInt64
  /// The value of the string that ends at a node, -1 for none.
  private var values: [Int32] = [-1]

  /// `byteCount`, at most `maximumBytes`, is the sum of the lengths of what will be inserted.
  init(byteCount: Int) {
    var bits: UInt64 = 6
    while 1 << bits < byteCount + byteCount / 2 { bits += 1 }
    edges = Array(repeating: Self.free, count: 1 << Int(bits))
    shift = 64 - bits
  }

  @inline(__always)
  private static func key(_ node: Int32, _ byte: UInt8) -> UInt64 {
    UInt64(UInt32(bitPattern: node)) << 8 | UInt64(byte)
  }

  @inline(__always)
  private func slot(_ key: UInt64) -> Int {
    Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> shift)
  }

  /// A later value for the same bytes replaces the earlier one.
  mutating func insert(_ token: [UInt8], _ value: Int32) {
    guard let first = token.first else { return }
    if roots[Int(first)] == 0 { roots[Int(first)] = addNode() }
    var node = roots[Int(first)]
    for byte in token.dropFirst() { node = child(of: node, addingFor: byte) }
    values[Int(node)] = value
  }

  private mutating func addNode() -> Int32 {
    values.append(-1)
    return Int32(truncatingIfNeeded: values.count - 1)
  }

  private mutating func child(of node: Int32, addingFor byte: UInt8) -> Int32 {
    let key = Self.key(node, byte)
    var index = slot(key)
    while edges[index] != Self.free {
      if edges[index] >> 28 == key { return Int32(truncatingIfNeeded: edges[index] & 0xFFF_FFFF) }
      index = (index + 1) & (edges.count - 1)
    }
    let child = addNode()
    edges[index] = key << 28 | UInt64(UInt32(bitPattern: child))
    return child
  }

  /// Calls `body` with the end and the value of each inserted string at the start of `text[range]`,
  /// which is not empty.
  @inline(__always)
  func forEachMatch(in text: [UInt8], _ range: Range<Int>, _ body: (Int, Int32) -> Void) {
    var node = roots[Int(text[range.lowerBound])]
    var position = range.lowerBound + 1
    while node != 0 {
      let value = values[Int(node)]
      if value >= 0 { body(position, value) }
      if position == range.upperBound { return }
      node = child(of: node, text[position])
      position += 1
    }
  }

  /// 0 for none.
  @inline(__always)
  private func child(of node: Int32, _ byte: UInt8) -> Int32 {
    let key = Self.key(node, byte)
    var index = slot(key)
    while true {
      let edge = edges[index]
      if edge >> 28 == key { return Int32(truncatingIfNeeded: edge & 0xFFF_FFFF) }
      if edge == Self.free { return 0 }
      index = (index + 1) & (edges.count - 1)
    }
  }
}
