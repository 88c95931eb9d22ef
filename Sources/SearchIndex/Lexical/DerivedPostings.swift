// Postings that no word has by itself, made for one search in one segment: the rows of a phrase, and
// the rows of all words with the same beginning, packed like a word's so that they are searched alike.

final class DerivedPostings {
  private let blocks: UnsafeMutablePointer<PostingsBlock>
  private let bytes: UnsafeMutablePointer<UInt8>
  let list: PostingsList

  private init(_ writer: PostingsWriter, rowCount: Int, lengths: UnsafePointer<UInt32>) {
    blocks = .allocate(capacity: max(1, writer.blocks.count))
    blocks.initialize(from: writer.blocks, count: writer.blocks.count)
    // Unpacking reads a little further than the last value.
    bytes = .allocate(capacity: writer.bytes.count + 8)
    bytes.initialize(repeating: 0, count: writer.bytes.count + 8)
    bytes.update(from: writer.bytes, count: writer.bytes.count)
    list = PostingsList(
      blocks: blocks, rowCount: rowCount, bytes: bytes, positions: bytes, lengths: lengths)
  }

  deinit {
    blocks.deallocate()
    bytes.deallocate()
  }

  /// Rows with any of the words; how often they have them together.
  static func union(_ terms: [Int], in segment: LexicalSegment) -> DerivedPostings {
    var frequencies = [UInt32](repeating: 0, count: segment.rowCount)
    withCursors(terms, in: segment) { cursors in
      for index in cursors.indices {
        var next: UInt32 = 0
        while let row = cursors[index].advance(to: next) {
          frequencies[Int(row)] += cursors[index].frequency
          next = row + 1
        }
      }
    }
    var writer = PostingsWriter()
    for (row, frequency) in frequencies.enumerated() where frequency > 0 {
      append(UInt32(row), frequency, segment, &writer)
    }
    let count = writer.finishWord()
    return DerivedPostings(writer, rowCount: count, lengths: segment.lengths)
  }

  /// Rows with each of the words at its offset from the same place; how many such places they have.
  static func phrase(_ words: [(term: Int, offset: UInt32)], in segment: LexicalSegment)
    -> DerivedPostings
  {
    // The rarest word decides which rows are looked at.
    let words = words.sorted {
      segment.term($0.term).rowCount < segment.term($1.term).rowCount
    }
    var writer = PostingsWriter()
    withCursors(words.map(\.term), in: segment) { cursors in
      var next: UInt32 = 0
      while let row = commonRow(from: next, &cursors) {
        let count = places(words.map(\.offset), &cursors)
        if count > 0 { append(row, count, segment, &writer) }
        next = row + 1
      }
    }
    let count = writer.finishWord()
    return DerivedPostings(writer, rowCount: count, lengths: segment.lengths)
  }

  /// The first row from `first` on that all cursors have; they are there then.
  private static func commonRow(from first: UInt32, _ cursors: inout [PostingsCursor]) -> UInt32? {
    var wanted = first
    var agreed = 0
    while agreed < cursors.count {
      guard let row = cursors[agreed].advance(to: wanted) else { return nil }
      if row == wanted || agreed == 0 {
        (wanted, agreed) = (row, agreed + 1)
      } else {
        (wanted, agreed) = (row, 0)
      }
    }
    return wanted
  }

  private static func places(_ offsets: [UInt32], _ cursors: inout [PostingsCursor]) -> UInt32 {
    var starts: Set<Int>?
    for (index, offset) in offsets.enumerated() {
      let own = cursors[index].positions().map { Int($0) - Int(offset) }
      starts = starts?.intersection(own) ?? Set(own)
      if starts?.isEmpty ?? true { return 0 }
    }
    return UInt32(starts?.count ?? 0)
  }

  private static func append(
    _ row: UInt32, _ frequency: UInt32, _ segment: LexicalSegment, _ writer: inout PostingsWriter
  ) {
    writer.append(
      row: row, frequency: min(frequency, PostingsBlock.maximumFrequency),
      length: segment.lengths[Int(row)], positions: UnsafeBufferPointer(start: nil, count: 0))
  }

  private static func withCursors(
    _ terms: [Int], in segment: LexicalSegment, _ body: (inout [PostingsCursor]) -> Void
  ) {
    let count = terms.count * PostingsCursor.scratchCount
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: count) { scratch in
      guard let base = scratch.baseAddress else { return }
      var cursors = terms.enumerated().map { index, term in
        PostingsCursor(
          segment.postings(ofTerm: term), scratch: base + index * PostingsCursor.scratchCount)
      }
      body(&cursors)
    }
  }
}
