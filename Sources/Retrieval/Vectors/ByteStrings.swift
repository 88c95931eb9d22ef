// Byte strings one after the other in one array: a million of them are two pieces of memory, which
// are copied, written to a file and read back as they stand.

struct ByteStrings: Sendable, Hashable {
  private(set) var bytes: [UInt8] = []
  /// Where each string ends in `bytes`.
  private(set) var ends: [Int] = []

  init() {}

  /// What `bytes` and `ends` of another one were; nil where they don't fit together.
  init?(bytes: [UInt8], ends: [Int]) {
    guard ends.ascend, ends.first ?? 0 >= 0, ends.last ?? 0 == bytes.count else { return nil }
    self.bytes = bytes
    self.ends = ends
  }

  var count: Int { ends.count }

  subscript(number: Int) -> ArraySlice<UInt8> { bytes[start(number)..<ends[number]] }

  mutating func append(_ string: some Sequence<UInt8>) {
    bytes.append(contentsOf: string)
    ends.append(bytes.count)
  }

  /// The list with other strings at some places.
  func replacing(_ changes: [Int: [UInt8]]) -> ByteStrings {
    var list = ByteStrings()
    list.bytes.reserveCapacity(bytes.count + changes.values.reduce(0) { $0 + $1.count })
    list.ends.reserveCapacity(count)
    for place in changes.keys.sorted() {
      list.append(contentsOf: self, list.count..<place)
      list.append(changes[place] ?? [])
    }
    list.append(contentsOf: self, list.count..<count)
    return list
  }

  mutating func append(contentsOf other: ByteStrings, _ range: Range<Int>) {
    guard let last = range.last else { return }
    let first = other.start(range.lowerBound)
    let shift = bytes.count - first
    bytes += other.bytes[first..<other.ends[last]]
    ends += other.ends[range].lazy.map { $0 + shift }
  }

  private func start(_ number: Int) -> Int { number == 0 ? 0 : ends[number - 1] }
}

extension [Int] {
  /// Whether none is less than the one before it.
  var ascend: Bool { zip(self, dropFirst()).allSatisfy { $0 <= $1 } }
}
