// A hash table from byte strings to entry numbers: vocabularies and the cache of encoded words. Keys
// lie one after the other in one array, so a lookup allocates nothing and needs no String. Entries are
// never removed one by one. The hash is seeded per process because words come from requests.

struct ByteTable: Sendable {
  /// Entry number per slot, -1 for a free one; a power of two of them, at most 3/4 used.
  private var slots: [Int32]
  private var hashes: [UInt64] = []
  /// Where each entry's key ends in `keys`; the first begins at 0.
  private var ends: [Int] = []
  private var keys: [UInt8] = []

  init(minimumCapacity: Int = 0) {
    slots = Array(repeating: -1, count: Self.slotCount(for: minimumCapacity))
    hashes.reserveCapacity(minimumCapacity)
    ends.reserveCapacity(minimumCapacity)
  }

  var count: Int { ends.count }

  private static func slotCount(for capacity: Int) -> Int {
    var count = 64
    while count / 4 * 3 <= capacity { count *= 2 }
    return count
  }

  /// The entry's number for a key, counted in the order of insertion.
  @inline(__always)
  func entry(for text: [UInt8], in range: Range<Int>) -> Int? {
    entry(for: text, in: range, hash: Self.hash(text, range))
  }

  func entry(for text: [UInt8], in range: Range<Int>, hash: UInt64) -> Int? {
    var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
    while case let entry = Int(slots[slot]), entry >= 0 {
      if hashes[entry] == hash, keyEquals(entry, text, range) { return entry }
      slot = (slot + 1) & (slots.count - 1)
    }
    return nil
  }

  /// Adds a key that is not there yet and returns its entry's number.
  @discardableResult
  mutating func insert(_ text: [UInt8], in range: Range<Int>, hash: UInt64) -> Int {
    if ends.count + 1 > slots.count / 4 * 3 { grow() }
    let entry = ends.count
    hashes.append(hash)
    keys += text[range]
    ends.append(keys.count)
    place(entry, hash)
    return entry
  }

  private mutating func place(_ entry: Int, _ hash: UInt64) {
    var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
    while slots[slot] >= 0 { slot = (slot + 1) & (slots.count - 1) }
    slots[slot] = Int32(truncatingIfNeeded: entry)
  }

  private mutating func grow() {
    slots = Array(repeating: -1, count: slots.count * 2)
    for (entry, hash) in hashes.enumerated() { place(entry, hash) }
  }

  func key(of entry: Int) -> ArraySlice<UInt8> { keys[keyRange(entry)] }

  private func keyRange(_ entry: Int) -> Range<Int> {
    (entry == 0 ? 0 : ends[entry - 1])..<ends[entry]
  }

  private func keyEquals(_ entry: Int, _ text: [UInt8], _ range: Range<Int>) -> Bool {
    let own = keyRange(entry)
    guard own.count == range.count else { return false }
    for offset in 0..<range.count
    where keys[own.lowerBound + offset] != text[range.lowerBound + offset] {
      return false
    }
    return true
  }

  private static let seed = UInt64.random(in: 0...UInt64.max)

  /// Eight bytes at a time, multiply and fold.
  static func hash(_ text: [UInt8], _ range: Range<Int>) -> UInt64 {
    text.withUnsafeBytes { bytes in
      let bytes = UnsafeRawBufferPointer(rebasing: bytes[range])
      var hash = seed ^ UInt64(bytes.count)
      var index = 0
      while index + 8 <= bytes.count {
        hash = mix(hash ^ bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
        index += 8
      }
      var rest: UInt64 = 0
      while index < bytes.count {
        rest = rest << 8 | UInt64(bytes[index])
        index += 1
      }
      return mix(hash ^ rest)
    }
  }

  @inline(__always)
  private static func mix(_ value: UInt64) -> UInt64 {
    let product = value.multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
    return product.high ^ product.low
  }
}
