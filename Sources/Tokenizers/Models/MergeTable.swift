// The merges of byte-pair encoding: for a pair of neighbouring tokens the rank of their merge and the
// token that it makes. Open addressing over 16-byte entries, looked up once per pair of symbols.

struct MergeTable: Sendable {
  struct Merge: Sendable {
    /// Lower is merged earlier; `.max` stands for no merge.
    var rank: UInt32
    var id: Int32

    static let none = Merge(rank: .max, id: 0)
  }

  private struct Entry: Sendable {
    var key: UInt64
    var merge: Merge
  }

  private static let free = UInt64.max

  private var entries: [Entry]
  private let shift: UInt64

  init(capacity: Int) {
    var bits: UInt64 = 6
    while 1 << bits < capacity.multipliedReportingOverflow(by: 2).partialValue { bits += 1 }
    entries = Array(repeating: Entry(key: Self.free, merge: .none), count: 1 << Int(bits))
    shift = 64 - bits
  }

  /// The merges of all pairs of tokens that make a token together. `ranks` are by id, nil for tokens
  /// that take no part.
  init(splittingAll vocabulary: Vocabulary, ranks: [UInt32?]) {
    var merges: [(left: Int32, right: Int32, merge: Merge)] = []
    func partner(_ token: [UInt8], _ range: Range<Int>) -> Int32? {
      vocabulary.id(of: token, in: range).flatMap { ranks[Int($0)] == nil ? nil : $0 }
    }
    for (token, id) in vocabulary.tokens {
      guard let rank = ranks[Int(id)] else { continue }
      for middle in token.indices.dropFirst() {
        if let left = partner(token, 0..<middle), let right = partner(token, middle..<token.count) {
          merges.append((left, right, Merge(rank: rank, id: id)))
        }
      }
    }
    self.init(capacity: merges.count)
    for (left, right, merge) in merges { insert(left, right, merge) }
  }

  @inline(__always)
  private func slot(_ key: UInt64) -> Int {
    Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> shift)
  }

  @inline(__always)
  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  /// A later merge of the same pair replaces the earlier one, as in the reference implementation.
  mutating func insert(_ left: Int32, _ right: Int32, _ merge: Merge) {
    let key = Self.key(left, right)
    var index = slot(key)
    while entries[index].key != Self.free, entries[index].key != key {
      index = (index + 1) & (entries.count - 1)
    }
    entries[index] = Entry(key: key, merge: merge)
  }

  @inline(__always)
  subscript(left: Int32, right: Int32) -> Merge {
    let key = Self.key(left, right)
    var index = slot(key)
    while true {
      let entry = entries[index]
      if entry.key == key { return entry.merge }
      if entry.key == Self.free { return .none }
      index = (index + 1) & (entries.count - 1)
    }
  }
}
