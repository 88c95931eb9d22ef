// Packs the postings of one word after the other. Relies on ascending rows and, within a row, on
// ascending positions.

struct PostingsWriter {
  private(set) var blocks: [PostingsBlock] = []
  private(set) var bytes: [UInt8] = []
  /// Gaps between a row's positions, seven bits to a byte, the last byte's high bit clear.
  private(set) var positions: [UInt8] = []
  private var rows: [UInt32] = []
  private var frequencies: [UInt32] = []
  private var impacts = Impacts()
  private var positionOffset = 0
  private var previousRow = UInt32.max
  private var count = 0

  /// - Parameter positions: of the word in the row; empty where they are not to be kept.
  mutating func append(
    row: UInt32, frequency: UInt32, length: UInt32, positions: UnsafeBufferPointer<UInt32>
  ) {
    if rows.isEmpty { positionOffset = self.positions.count }
    rows.append(row)
    frequencies.append(frequency)
    impacts.add(frequency: frequency, length: length)
    var previous: UInt32 = 0
    for position in positions {
      append(varint: position - previous)
      previous = position
    }
    if rows.count == PostingsBlock.capacity { flush() }
  }

  /// Ends a word; its number of rows.
  mutating func finishWord() -> Int {
    if !rows.isEmpty { flush() }
    defer { (count, previousRow) = (0, .max) }
    return count
  }

  private mutating func append(varint value: UInt32) {
    var rest = value
    while rest >= 0x80 {
      positions.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    positions.append(UInt8(rest))
  }

  private mutating func flush() {
    guard let lastRow = rows.last else { return }
    let summary = impacts.summary()
    let offset = bytes.count
    var previous = previousRow
    for index in rows.indices {
      let row = rows[index]
      rows[index] = row &- previous &- 1
      previous = row
    }
    let rowBits = pack(rows)
    let frequencyBits = pack(frequencies)
    blocks.append(
      PostingsBlock(
        offset: UInt64(offset), positionOffset: UInt64(positionOffset),
        impactFrequencies: summary.frequencies, impactLengths: summary.lengths, lastRow: lastRow,
        rowBits: rowBits, frequencyBits: frequencyBits, count: UInt8(rows.count)))
    count += rows.count
    previousRow = lastRow
    rows.removeAll(keepingCapacity: true)
    frequencies.removeAll(keepingCapacity: true)
    impacts.removeAll()
  }

  /// Appends the values; how many bits each of them took.
  private mutating func pack(_ values: [UInt32]) -> UInt8 {
    let bits = UInt64(32 - values.reduce(0, |).leadingZeroBitCount)
    var pending: UInt64 = 0
    var pendingBits: UInt64 = 0
    for value in values {
      pending |= UInt64(value) << pendingBits
      pendingBits += bits
      while pendingBits >= 8 {
        bytes.append(UInt8(truncatingIfNeeded: pending))
        pending >>= 8
        pendingBits -= 8
      }
    }
    if pendingBits > 0 { bytes.append(UInt8(truncatingIfNeeded: pending)) }
    return UInt8(bits)
  }
}
