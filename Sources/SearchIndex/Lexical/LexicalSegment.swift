// The inverted index of consecutive chunks: a sorted list of words, their packed postings with
// positions, and the chunks' lengths. It never changes, and is one piece of memory, so that a
// snapshot is a copy of it and a mapped file is one as it stands.

import CKernels
import Compute

// SAFETY: the memory is written before init returns and never again; `owner` keeps it.
final class LexicalSegment: @unchecked Sendable {
  private let owner: AnyObject
  let memory: UnsafeRawBufferPointer
  private let header: Header

  /// Counts of what follows: each part begins at a multiple of 64.
  struct Header: BitwiseCopyable {
    var rowCount: UInt64 = 0
    /// The sum of all lengths.
    var wordCount: UInt64 = 0
    var termCount: UInt64 = 0
    var termByteCount: UInt64 = 0
    var blockCount: UInt64 = 0
    var postingByteCount: UInt64 = 0
    var positionByteCount: UInt64 = 0
  }

  struct Term: BitwiseCopyable {
    /// The end of the word's bytes.
    var end: UInt32
    var firstBlock: UInt32
    var rowCount: UInt32
  }

  /// Where the parts lie.
  private struct Layout {
    let lengths, terms, termBytes, blocks, postings, positions, end: Int

    init(_ header: Header) {
      var offset = 64
      func place(_ byteCount: Int) -> Int {
        defer { offset += (byteCount + 63) / 64 * 64 }
        return offset
      }
      lengths = place(Int(header.rowCount) * MemoryLayout<UInt32>.stride)
      terms = place(Int(header.termCount) * MemoryLayout<Term>.stride)
      termBytes = place(Int(header.termByteCount))
      blocks = place(Int(header.blockCount) * MemoryLayout<PostingsBlock>.stride)
      // Unpacking reads a little further than the last value.
      postings = place(Int(header.postingByteCount) + 8)
      positions = place(Int(header.positionByteCount))
      end = offset
    }
  }
  private let layout: Layout

  /// Whether memory is as long as the header in it says: what a file's must be before it is taken.
  static func isWhole(_ memory: UnsafeRawBufferPointer) -> Bool {
    guard memory.count >= 64 else { return false }
    let header = memory.load(as: Header.self)
    let counts = [
      header.rowCount, header.termCount, header.termByteCount, header.blockCount,
      header.postingByteCount, header.positionByteCount,
    ]
    // Bounded first, so that the sizes can't overflow.
    return counts.allSatisfy { $0 <= UInt64(memory.count) } && Layout(header).end == memory.count
  }

  /// Memory that holds a segment as another one wrote it, such as a verified snapshot's.
  init(_ memory: UnsafeRawBufferPointer, owner: AnyObject) {
    self.owner = owner
    self.memory = memory
    header = memory.load(as: Header.self)
    layout = Layout(header)
    precondition(layout.end == memory.count)
  }

  /// What a builder or a merger has made. `terms` are those of `termBytes`, in byte order.
  convenience init(
    lengths: [UInt32], terms: [Term], termBytes: [UInt8], postings: PostingsWriter
  ) throws(ComputeError) {
    var header = Header()
    header.rowCount = UInt64(lengths.count)
    header.wordCount = lengths.reduce(0) { $0 + UInt64($1) }
    header.termCount = UInt64(terms.count)
    header.termByteCount = UInt64(termBytes.count)
    header.blockCount = UInt64(postings.blocks.count)
    header.postingByteCount = UInt64(postings.bytes.count)
    header.positionByteCount = UInt64(postings.positions.count)
    let layout = Layout(header)
    let buffer = try AlignedBuffer(byteCount: layout.end)
    func store<T: BitwiseCopyable>(_ values: [T], at offset: Int) {
      values.withUnsafeBytes { bytes in
        guard let source = bytes.baseAddress else { return }
        (buffer.pointer + offset).copyMemory(from: source, byteCount: bytes.count)
      }
    }
    store([header], at: 0)
    store(lengths, at: layout.lengths)
    store(terms, at: layout.terms)
    store(termBytes, at: layout.termBytes)
    store(postings.blocks, at: layout.blocks)
    store(postings.bytes, at: layout.postings)
    store(postings.positions, at: layout.positions)
    self.init(UnsafeRawBufferPointer(start: buffer.pointer, count: layout.end), owner: buffer)
  }

  var rowCount: Int { Int(header.rowCount) }
  var wordCount: Int { Int(header.wordCount) }
  var termCount: Int { Int(header.termCount) }

  /// [rowCount]: words in each chunk.
  var lengths: UnsafePointer<UInt32> { part(layout.lengths) }

  func term(_ number: Int) -> Term { part(layout.terms)[number] }

  func bytes(ofTerm number: Int) -> UnsafeBufferPointer<UInt8> {
    let start = number == 0 ? 0 : Int(term(number - 1).end)
    let bytes: UnsafePointer<UInt8> = part(layout.termBytes)
    return UnsafeBufferPointer(start: bytes + start, count: Int(term(number).end) - start)
  }

  func postings(ofTerm number: Int) -> PostingsList {
    let term = term(number)
    let blocks: UnsafePointer<PostingsBlock> = part(layout.blocks)
    return PostingsList(
      blocks: blocks + Int(term.firstBlock), rowCount: Int(term.rowCount),
      bytes: part(layout.postings), positions: part(layout.positions), lengths: lengths)
  }

  func term(of word: [UInt8]) -> Int? {
    let number = firstTerm(notBefore: word)
    guard number < termCount, bytes(ofTerm: number).elementsEqual(word) else { return nil }
    return number
  }

  /// The words that begin with `prefix`, as a range of the sorted list.
  func terms(startingWith prefix: [UInt8]) -> Range<Int> {
    let first = firstTerm(notBefore: prefix)
    var (low, high) = (first, termCount)
    while low < high {
      let middle = (low + high) / 2
      if bytes(ofTerm: middle).starts(with: prefix) { low = middle + 1 } else { high = middle }
    }
    return first..<low
  }

  private func firstTerm(notBefore word: [UInt8]) -> Int {
    var (low, high) = (0, termCount)
    while low < high {
      let middle = (low + high) / 2
      if bytes(ofTerm: middle).lexicographicallyPrecedes(word) {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return low
  }

  private func part<T>(_ offset: Int) -> UnsafePointer<T> {
    guard let base = memory.baseAddress else { preconditionFailure("a segment has a header") }
    return (base + offset).assumingMemoryBound(to: T.self)
  }
}

/// The postings of one word in one segment. Valid while what it points into is.
struct PostingsList {
  let blocks: UnsafePointer<PostingsBlock>
  /// Rows that have the word.
  let rowCount: Int
  let bytes: UnsafePointer<UInt8>
  let positions: UnsafePointer<UInt8>
  /// [rows of the segment]
  let lengths: UnsafePointer<UInt32>

  var blockCount: Int { (rowCount + PostingsBlock.capacity - 1) / PostingsBlock.capacity }

  /// Where block `number` can begin.
  func firstRow(ofBlock number: Int) -> UInt32 {
    number == 0 ? 0 : blocks[number - 1].lastRow + 1
  }

  /// Unpacks a block: rows and frequencies have room for 128 each.
  func unpack(
    _ number: Int, rows: UnsafeMutablePointer<UInt32>, frequencies: UnsafeMutablePointer<UInt32>
  ) -> Int {
    let block = blocks[number]
    let count = Int(block.count)
    let packed = bytes + Int(block.offset)
    martlet_unpack_rows(
      packed, UInt32(block.rowBits), count, number == 0 ? .max : blocks[number - 1].lastRow, rows)
    let rowBytes = (count * Int(block.rowBits) + 7) / 8
    martlet_unpack_bits(packed + rowBytes, UInt32(block.frequencyBits), count, frequencies)
    return count
  }
}
