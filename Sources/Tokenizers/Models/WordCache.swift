// Ids of words that were encoded before. Bounded: it starts anew when full, and long words stay out.

import Synchronization

struct WordCache: Sendable {
  private static let maximumWords = 1 << 15
  private static let maximumWordBytes = 64

  private var table = ByteTable()
  /// Where each word's ids end in `ids`.
  private var ends: [Int] = []
  private var ids: [Int32] = []

  /// Appends the ids of `text[range]`, encoding it by `encode` where it is new.
  @inline(__always)
  mutating func encode(
    _ text: [UInt8], _ range: Range<Int>, into output: inout [Int32],
    _ encode: (inout [Int32]) -> Void
  ) {
    if range.count > Self.maximumWordBytes { return encode(&output) }
    let hash = ByteTable.hash(text, range)
    if let entry = table.entry(for: text, in: range, hash: hash) {
      output += ids[(entry == 0 ? 0 : ends[entry - 1])..<ends[entry]]
      return
    }
    let start = output.count
    encode(&output)
    if table.count >= Self.maximumWords { self = WordCache() }
    table.insert(text, in: range, hash: hash)
    ids += output[start...]
    ends.append(ids.count)
  }
}

/// Buffers that encoding needs, and the cache.
struct EncodingScratch: Sendable {
  var cache = WordCache()
  var merger = SymbolMerger()
  var candidate: [UInt8] = []
  var lattice = Lattice()
}

/// Lends one scratch space at a time: an encoder takes it whole and gives it back, so that no lock is
/// held in between; a second encoder at the same time works with a fresh one.
final class ScratchPool: Sendable {
  private let scratch = Mutex<EncodingScratch?>(nil)

  func take() -> EncodingScratch {
    scratch.withLock { scratch in
      defer { scratch = nil }
      return scratch ?? EncodingScratch()
    }
  }

  func give(_ used: EncodingScratch) {
    scratch.withLock { $0 = used }
  }
}
