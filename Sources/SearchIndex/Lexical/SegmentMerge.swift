// Several segments as one, rows in their order, without the rows that are not to be kept. Words are
// merged from the sorted lists; postings are unpacked and packed anew.

import Compute

struct SegmentMerge {
  private let segments: [LexicalSegment]
  /// Per segment, the new row of each row; nil: left out.
  private let newRows: [[UInt32?]]
  private let lengths: [UInt32]
  private var writer = PostingsWriter()

  /// - Parameter keeping: of the rows of all segments, one after the other; nil keeps all.
  static func merge(_ segments: [LexicalSegment], keeping: RowBitmap? = nil)
    throws(ComputeError) -> LexicalSegment
  {
    defer { withExtendedLifetime(segments) {} }
    var merge = SegmentMerge(segments, keeping)
    return try merge.run()
  }

  private init(_ segments: [LexicalSegment], _ keeping: RowBitmap?) {
    self.segments = segments
    var newRows: [[UInt32?]] = []
    var lengths: [UInt32] = []
    var base = 0
    for segment in segments {
      newRows.append(
        (0..<segment.rowCount).map { row in
          guard keeping?[base + row] ?? true else { return nil }
          lengths.append(segment.lengths[row])
          return UInt32(lengths.count - 1)
        })
      base += segment.rowCount
    }
    self.newRows = newRows
    self.lengths = lengths
  }

  private mutating func run() throws(ComputeError) -> LexicalSegment {
    var next = [Int](repeating: 0, count: segments.count)
    var entries: [LexicalSegment.Term] = []
    var bytes: [UInt8] = []
    while let word = leastWord(next) {
      let first = writer.blocks.count
      for (number, segment) in segments.enumerated()
      where next[number] < segment.termCount
        && segment.bytes(ofTerm: next[number]).elementsEqual(word)
      {
        copy(segment.postings(ofTerm: next[number]), newRows[number])
        next[number] += 1
      }
      let count = writer.finishWord()
      guard count > 0 else { continue }
      bytes += word
      entries.append(
        LexicalSegment.Term(
          end: UInt32(bytes.count), firstBlock: UInt32(first), rowCount: UInt32(count)))
    }
    return try LexicalSegment(
      lengths: lengths, terms: entries, termBytes: bytes, postings: writer)
  }

  /// The first in byte order of the words that come next in each segment.
  private func leastWord(_ next: [Int]) -> UnsafeBufferPointer<UInt8>? {
    var least: UnsafeBufferPointer<UInt8>?
    for (number, segment) in segments.enumerated() where next[number] < segment.termCount {
      let word = segment.bytes(ofTerm: next[number])
      if least.map({ word.lexicographicallyPrecedes($0) }) ?? true { least = word }
    }
    return least
  }

  private mutating func copy(_ list: PostingsList, _ newRows: [UInt32?]) {
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: PostingsCursor.scratchCount) {
      scratch in
      guard let base = scratch.baseAddress else { return }
      var cursor = PostingsCursor(list, scratch: base)
      var next: UInt32 = 0
      while let row = cursor.advance(to: next) {
        next = row + 1
        guard let newRow = newRows[Int(row)] else { continue }
        cursor.positions().withUnsafeBufferPointer {
          writer.append(
            row: newRow, frequency: cursor.frequency, length: list.lengths[Int(row)],
            positions: $0)
        }
      }
    }
  }
}
