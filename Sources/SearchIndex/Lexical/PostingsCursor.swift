// Walks the postings of one word forwards, one unpacked block at a time. Blocks that are passed by
// aren't unpacked.

import CKernels

struct PostingsCursor {
  let list: PostingsList
  let scorer: martlet_bm25
  /// [128] each
  private let rows: UnsafeMutablePointer<UInt32>
  private let frequencies: UnsafeMutablePointer<UInt32>
  private var block = 0
  private var unpacked = -1
  private var index = 0
  private var count = 0
  private var boundedBlock = -1
  private var blockBound: Int32 = 0
  private var positionBlock = -1
  private var blockPositions: [UInt32] = []
  private var positionEnds: [Int] = []

  /// Numbers that each cursor needs room for.
  static let scratchCount = 2 * PostingsBlock.capacity

  init(
    _ list: PostingsList, _ scorer: martlet_bm25 = martlet_bm25(),
    scratch: UnsafeMutablePointer<UInt32>
  ) {
    self.list = list
    self.scorer = scorer
    rows = scratch
    frequencies = scratch + PostingsBlock.capacity
  }

  // MARK: Bounds

  /// No row from `first` on that the word is in comes before this; nil where there is none.
  mutating func nextRow(from first: UInt32) -> UInt32? {
    pass(before: first)
    guard block < list.blockCount else { return nil }
    return max(first, list.firstRow(ofBlock: block))
  }

  /// At least the score of each row within first..<end; 0 where the word is in none of them.
  mutating func bound(from first: UInt32, to end: UInt32) -> Int32 {
    pass(before: first)
    var best: Int32 = 0
    var number = block
    while number < list.blockCount, list.firstRow(ofBlock: number) < end {
      best = max(best, bound(ofBlock: number))
      number += 1
    }
    return best
  }

  private mutating func bound(ofBlock number: Int) -> Int32 {
    if boundedBlock != number {
      boundedBlock = number
      blockBound = list.blocks[number].bound(scorer)
    }
    return blockBound
  }

  private mutating func pass(before row: UInt32) {
    while block < list.blockCount, list.blocks[block].lastRow < row { block += 1 }
  }

  // MARK: Scores

  /// sums[row - first] += the score of each row within first..<end.
  mutating func add(from first: UInt32, to end: UInt32, _ sums: UnsafeMutablePointer<Int32>) {
    pass(before: first)
    while block < list.blockCount, list.firstRow(ofBlock: block) < end {
      moveWithinBlock(to: first)
      let start = index
      let isWhole = list.blocks[block].lastRow < end
      if isWhole { index = count } else { moveWithinBlock(to: end) }
      martlet_bm25_add(
        scorer, rows + start, frequencies + start, index - start, list.lengths, first, sums)
      guard isWhole else { return }
      block += 1
    }
  }

  /// The row's score; 0 where it doesn't have the word. Rows must be asked for in ascending order.
  mutating func score(of row: UInt32) -> Int32 {
    guard move(to: row) else { return 0 }
    return martlet_bm25_score(scorer, frequencies[index], list.lengths[Int(row)])
  }

  var frequency: UInt32 { frequencies[index] }

  /// Goes to the row; false where it doesn't have the word.
  mutating func move(to row: UInt32) -> Bool {
    pass(before: row)
    guard block < list.blockCount else { return false }
    moveWithinBlock(to: row)
    return rows[index] == row
  }

  /// Goes to the first row that isn't before `row`; nil at the end.
  mutating func advance(to row: UInt32) -> UInt32? {
    pass(before: row)
    guard block < list.blockCount else { return nil }
    moveWithinBlock(to: row)
    return rows[index]
  }

  /// To the first row of the current block that isn't before `row`; one beyond the last where all
  /// are.
  private mutating func moveWithinBlock(to row: UInt32) {
    if unpacked != block {
      count = list.unpack(block, rows: rows, frequencies: frequencies)
      unpacked = block
      index = 0
    }
    var step = 1
    while index + step < count, rows[index + step] < row { step *= 2 }
    // The row is behind index + step / 2, unless it is at or before `index`.
    var (low, high) = (step == 1 ? index : index + step / 2, min(index + step + 1, count))
    while low < high {
      let middle = (low + high) / 2
      if rows[middle] < row { low = middle + 1 } else { high = middle }
    }
    index = low
  }

  // MARK: Positions

  /// The word's positions in the current row.
  mutating func positions() -> ArraySlice<UInt32> {
    if positionBlock != block { unpackPositions() }
    return blockPositions[(index == 0 ? 0 : positionEnds[index - 1])..<positionEnds[index]]
  }

  private mutating func unpackPositions() {
    positionBlock = block
    blockPositions.removeAll(keepingCapacity: true)
    positionEnds.removeAll(keepingCapacity: true)
    var source = list.positions + Int(list.blocks[block].positionOffset)
    for posting in 0..<count {
      var position: UInt32 = 0
      for _ in 0..<frequencies[posting] {
        position += Self.varint(&source)
        blockPositions.append(position)
      }
      positionEnds.append(blockPositions.count)
    }
  }

  private static func varint(_ source: inout UnsafePointer<UInt8>) -> UInt32 {
    var (value, shift) = (UInt32(0), UInt32(0))
    while true {
      let byte = source.pointee
      source += 1
      value |= UInt32(byte & 0x7F) << shift
      guard byte & 0x80 != 0 else { return value }
      shift += 7
    }
  }
}
