// The unreferenced blocks, in the order in which they will be handed out. A list linked through two
// arrays, since a block that is found again leaves from anywhere. Refuses nothing: callers know
// which blocks are in line.

/// Blocks in a line, each at most once.
struct BlockQueue: Sendable {
  private static let absent: Int32 = -1

  /// Neighbours by block. The last place of both arrays is the line's two ends.
  private var next: [Int32]
  private var previous: [Int32]
  private(set) var count = 0

  init(capacity: Int) {
    next = Array(repeating: Self.absent, count: capacity + 1)
    previous = next
    next[capacity] = Int32(capacity)
    previous[capacity] = Int32(capacity)
  }

  private var ends: Int32 { Int32(next.count - 1) }

  func contains(_ block: Int32) -> Bool { next[Int(block)] != Self.absent }

  mutating func append(_ block: Int32) { insert(block, after: previous[Int(ends)]) }

  mutating func prepend(_ block: Int32) { insert(block, after: ends) }

  mutating func popFirst() -> Int32? {
    let first = next[Int(ends)]
    guard first != ends else { return nil }
    remove(first)
    return first
  }

  mutating func remove(_ block: Int32) {
    let (before, behind) = (previous[Int(block)], next[Int(block)])
    precondition(behind != Self.absent, "block \(block) is not in line")
    next[Int(before)] = behind
    previous[Int(behind)] = before
    next[Int(block)] = Self.absent
    previous[Int(block)] = Self.absent
    count -= 1
  }

  private mutating func insert(_ block: Int32, after before: Int32) {
    precondition(!contains(block), "block \(block) is in line already")
    let behind = next[Int(before)]
    next[Int(before)] = block
    previous[Int(block)] = before
    next[Int(block)] = behind
    previous[Int(behind)] = block
    count += 1
  }

  /// First to last.
  var elements: [Int32] {
    var elements: [Int32] = []
    var block = next[Int(ends)]
    while block != ends, elements.count < next.count {
      elements.append(block)
      block = next[Int(block)]
    }
    return elements
  }
}
