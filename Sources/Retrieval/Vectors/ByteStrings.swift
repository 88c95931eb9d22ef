// Byte strings one after the other in one array: a million of them are two pieces of memory, which
// are copied, written to a file and read back as they stand. Strings that replace others lie aside, so
// that changing a few moves none of the others, until `gathered` puts them in their places.

struct ByteStrings: Sendable {
  /// All strings, but for those that have been replaced since.
  private(set) var bytes: [UInt8] = []
  /// Where each string ends in `bytes`.
  private(set) var ends: [Int] = []
  private var replaced: [Int: [UInt8]] = [:]

  /// So many aside are copied in no time where a reader holds the list.
  private static let replacedCount = 1024

  init() {}

  /// What `bytes` and `ends` of a gathered one were; nil where they don't fit together.
  init?(bytes: [UInt8], ends: [Int]) {
    guard ends.ascend, ends.first ?? 0 >= 0, ends.last ?? 0 == bytes.count else { return nil }
    self.bytes = bytes
    self.ends = ends
  }

  var count: Int { ends.count }

  subscript(number: Int) -> ArraySlice<UInt8> {
    if !replaced.isEmpty, let string = replaced[number] { return string[...] }
    return bytes[start(number)..<ends[number]]
  }

  mutating func append(_ string: some Sequence<UInt8>) {
    bytes.append(contentsOf: string)
    ends.append(bytes.count)
  }

  mutating func replace(_ number: Int, with string: [UInt8]) {
    precondition(number < count)
    replaced[number] = string
  }

  /// Whether so many lie aside that gathering them is worth the copy.
  var isScattered: Bool { replaced.count > max(Self.replacedCount, count / 64) }

  /// The same strings, all in their places.
  func gathered() -> ByteStrings {
    guard !replaced.isEmpty else { return self }
    var list = ByteStrings()
    list.bytes.reserveCapacity(bytes.count + replaced.values.reduce(0) { $0 + $1.count })
    list.ends.reserveCapacity(count)
    for place in replaced.keys.sorted() {
      list.append(contentsOf: self, list.count..<place)
      list.append(self[place])
    }
    list.append(contentsOf: self, list.count..<count)
    return list
  }

  /// Appends strings of another list, none of them replaced.
  private mutating func append(contentsOf other: ByteStrings, _ range: Range<Int>) {
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
