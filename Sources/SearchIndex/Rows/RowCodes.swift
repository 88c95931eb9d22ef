// A small number per row, such as which of a few values it has. A byte each as long as that is enough:
// then a search for some of the numbers goes through many rows at a time.

import CKernels
import Compute

package struct RowCodes: Sendable {
  private var bytes: [UInt8] = []
  /// All of them, once one is greater than a byte.
  private var words: [UInt32] = []
  private var isWide = false

  package init() {}

  package var count: Int { max(bytes.count, words.count) }

  /// Gives the next rows a number of at most 32 bits.
  package mutating func append(_ code: Int, count: Int) {
    widen(for: code)
    if isWide {
      words.append(contentsOf: repeatElement(UInt32(code), count: count))
    } else {
      bytes.append(contentsOf: repeatElement(UInt8(code), count: count))
    }
  }

  /// Gives rows that there are another number of at most 32 bits.
  package mutating func set(_ code: Int, rows: Range<Int>) {
    widen(for: code)
    for row in rows {
      if isWide { words[row] = UInt32(code) } else { bytes[row] = UInt8(code) }
    }
  }

  private mutating func widen(for code: Int) {
    guard code > UInt8.max, !isWide else { return }
    words = bytes.map(UInt32.init)
    bytes = []
    isWide = true
  }

  /// Those of the first rows whose number passes; `passing` has one for each number that there is.
  package func rows(_ count: Int, passing: [Bool]) -> RowBitmap {
    precondition(count <= self.count)
    var rows = [UInt64](repeating: 0, count: (count + 63) / 64)
    if !isWide {
      var table = passing.map { UInt8($0 ? 1 : 0) }
      table += repeatElement(0, count: max(0, 256 - table.count))
      kernels.select_codes(bytes, count, table, &rows)
    } else {
      selectWords(count, passing, &rows)
    }
    return RowBitmap(rowCount: count, words: rows)
  }

  /// Without a branch that would have to be guessed.
  private func selectWords(_ count: Int, _ passing: [Bool], _ rows: inout [UInt64]) {
    words.withUnsafeBufferPointer { words in
      passing.withUnsafeBufferPointer { passing in
        for index in 0..<count / 64 {
          var word: UInt64 = 0
          for bit in 0..<64 {
            word |= (passing[Int(words[index << 6 + bit])] ? 1 : 0) &<< UInt64(bit)
          }
          rows[index] = word
        }
        for row in count / 64 * 64..<count where passing[Int(words[row])] {
          rows[row >> 6] |= 1 &<< UInt64(row & 63)
        }
      }
    }
  }
}
