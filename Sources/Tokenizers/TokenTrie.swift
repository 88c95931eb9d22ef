// A trie over byte strings that finds the leftmost and there the longest of them in a text. Made for
// few patterns that seldom occur: the first byte decides almost every place.

struct TokenTrie: Sendable {
  private struct Node: Sendable {
    /// What was inserted for the string that ends here.
    var value: Int?
    var children: [UInt8: Int32] = [:]
  }

  /// Nodes below the root by first byte, -1 for none.
  private var roots: [Int32] = Array(repeating: -1, count: 256)
  private var nodes: [Node] = []

  mutating func insert(_ pattern: [UInt8], _ value: Int) {
    guard let first = pattern.first else { return }
    if roots[Int(first)] < 0 { roots[Int(first)] = addNode() }
    var node = Int(roots[Int(first)])
    for byte in pattern.dropFirst() {
      if let child = nodes[node].children[byte] {
        node = Int(child)
      } else {
        let child = addNode()
        nodes[node].children[byte] = child
        node = Int(child)
      }
    }
    nodes[node].value = value
  }

  private mutating func addNode() -> Int32 {
    nodes.append(Node())
    return Int32(truncatingIfNeeded: nodes.count - 1)
  }

  /// The first match that begins at or after `start`.
  func firstMatch(in text: [UInt8], from start: Int) -> (range: Range<Int>, value: Int)? {
    if nodes.isEmpty { return nil }
    for position in start..<text.count {
      if let (end, value) = longestMatch(in: text, at: position) {
        return (position..<end, value)
      }
    }
    return nil
  }

  /// The longest pattern that begins at `start`, which is inside of the text.
  func longestMatch(in text: [UInt8], at start: Int) -> (end: Int, value: Int)? {
    guard case let root = Int(roots[Int(text[start])]), root >= 0 else { return nil }
    var node = root
    var position = start + 1
    var longest = nodes[node].value.map { (position, $0) }
    while position < text.count, let child = nodes[node].children[text[position]] {
      node = Int(child)
      position += 1
      if let value = nodes[node].value { longest = (position, value) }
    }
    return longest
  }
}
