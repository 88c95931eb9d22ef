// A set of rows, one bit each: which rows live, which ones a filter lets pass.

package struct RowBitmap: Sendable, Hashable {
  package private(set) var rowCount: Int
  /// Bits beyond `rowCount` are 0.
  package private(set) var words: [UInt64]

  package init(rowCount: Int = 0, _ value: Bool = false) {
    self.rowCount = rowCount
    words = [UInt64](repeating: value ? .max : 0, count: (rowCount + 63) / 64)
    if value, rowCount % 64 != 0 { words[words.count - 1] = (1 << UInt64(rowCount % 64)) - 1 }
  }

  package subscript(row: Int) -> Bool {
    get { words[row >> 6] >> UInt64(row & 63) & 1 != 0 }
    set {
      let bit = UInt64(1) << UInt64(row & 63)
      if newValue { words[row >> 6] |= bit } else { words[row >> 6] &= ~bit }
    }
  }

  /// The set that another one's words stand for; bits beyond `rowCount` are dropped.
  package init(rowCount: Int, words: [UInt64]) {
    precondition(words.count == (rowCount + 63) / 64)
    self.rowCount = rowCount
    self.words = words
    if rowCount % 64 != 0 { self.words[words.count - 1] &= (1 << UInt64(rowCount % 64)) - 1 }
  }

  package var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

  package mutating func append(_ value: Bool) {
    if rowCount & 63 == 0 { words.append(0) }
    rowCount += 1
    if value { self[rowCount - 1] = true }
  }

  // MARK: Sets of the same number of rows

  package mutating func formIntersection(_ other: RowBitmap) { combine(other, &) }

  package mutating func formUnion(_ other: RowBitmap) { combine(other, |) }

  private mutating func combine(_ other: RowBitmap, _ operation: (UInt64, UInt64) -> UInt64) {
    precondition(other.rowCount == rowCount)
    for index in words.indices { words[index] = operation(words[index], other.words[index]) }
  }

  package var inverted: RowBitmap {
    var inverted = RowBitmap(rowCount: rowCount, true)
    for index in words.indices { inverted.words[index] &= ~words[index] }
    return inverted
  }

  /// The first rows, or with more rows behind them that are not in the set.
  package func resized(_ count: Int) -> RowBitmap {
    var resized = RowBitmap(rowCount: count)
    for index in 0..<min(words.count, resized.words.count) { resized.words[index] = words[index] }
    if count < rowCount, count & 63 != 0 {
      resized.words[count >> 6] &= (1 << UInt64(count & 63)) - 1
    }
    return resized
  }

  // MARK: Reading

  /// The bits of rows first..<first + 64; 0 beyond the end.
  package func word(at first: Int) -> UInt64 {
    let (index, shift) = (first >> 6, UInt64(first & 63))
    let low = index < words.count ? words[index] >> shift : 0
    guard shift > 0, index + 1 < words.count else { return low }
    return low | words[index + 1] << (64 - shift)
  }

  /// Calls `body` for each row of the set within `rows`, ascending.
  package func forEach(in rows: Range<Int>, _ body: (Int) -> Void) {
    var first = rows.lowerBound
    while first < rows.upperBound {
      var word = word(at: first)
      if rows.upperBound - first < 64 { word &= (1 << UInt64(rows.upperBound - first)) - 1 }
      while word != 0 {
        body(first + word.trailingZeroBitCount)
        word &= word - 1
      }
      first += 64
    }
  }
}
