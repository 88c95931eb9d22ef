// The words of a collection's chunks: segments that follow each other like the rows that they
// cover. New rows come as a segment of their own; eight of a size are merged into one, so that there
// are never many and each row is copied seldom. A value: copies share their segments.
// Rows that were deleted stay in the statistics until `keeping` leaves them out.

package import Compute
import Synchronization

package struct LexicalIndex: Sendable {
  struct PlacedSegment: Sendable {
    var firstRow: Int
    var segment: LexicalSegment
  }

  package private(set) var rowCount = 0
  private(set) var wordCount = 0
  private(set) var segments: [PlacedSegment] = []

  /// Raised whenever the same text is cut or packed differently: older snapshots are made anew.
  package static let version = 1
  private static let mergedCount = 8

  package init() {}

  /// Words per row, at least 1.
  var averageLength: Double { max(1, Double(wordCount) / Double(max(1, rowCount))) }

  /// The index with a row more for each text, cut on all threads of the pool.
  /// - Parameter language: of the collection, a tag such as "en".
  package func appending(_ texts: [String], language: String, _ pool: ThreadPool)
    throws(ComputeError) -> LexicalIndex
  {
    // A few texts aren't worth sharing out.
    let parts = texts.count < 64 ? 1 : pool.threadCount
    let made = Mutex([Result<LexicalSegment, ComputeError>?](repeating: nil, count: parts))
    pool.parallelFor(parts) { range in
      for part in range {
        var builder = SegmentBuilder(language: language)
        for text in texts[texts.count * part / parts..<texts.count * (part + 1) / parts] {
          builder.add(text)
        }
        let segment = builder.finished()
        made.withLock { $0[part] = segment }
      }
    }
    var index = self
    for segment in made.withLock({ $0 }) {
      if let segment { try index.append(segment.get()) }
      try index.mergeLast()
    }
    return index
  }

  private mutating func mergeLast() throws(ComputeError) {
    while let count = mergeableCount {
      let last = segments.suffix(count).map(\.segment)
      removeLast(count)
      append(try SegmentMerge.merge(last))
    }
  }

  /// The index without the rows that `live` leaves out; the others move together.
  package func keeping(_ live: RowBitmap) throws(ComputeError) -> LexicalIndex {
    precondition(live.rowCount == rowCount)
    var index = LexicalIndex()
    index.append(try SegmentMerge.merge(segments.map(\.segment), keeping: live))
    return index
  }

  mutating func append(_ segment: LexicalSegment) {
    guard segment.rowCount > 0 else { return }
    segments.append(PlacedSegment(firstRow: rowCount, segment: segment))
    rowCount += segment.rowCount
    wordCount += segment.wordCount
  }

  private mutating func removeLast(_ count: Int) {
    for placed in segments.suffix(count) {
      rowCount -= placed.segment.rowCount
      wordCount -= placed.segment.wordCount
    }
    segments.removeLast(count)
  }

  /// How many segments at the end are no larger in kind than the last one, once they are enough.
  private var mergeableCount: Int? {
    guard let last = segments.last else { return nil }
    let level = Self.level(last)
    let count = segments.reversed().prefix { Self.level($0) <= level }.count
    return count >= Self.mergedCount ? count : nil
  }

  /// The size in powers of eight.
  private static func level(_ placed: PlacedSegment) -> Int {
    (Int.bitWidth - placed.segment.rowCount.leadingZeroBitCount - 1) / 3
  }
}

// MARK: Snapshots

extension LexicalIndex {
  /// The index that the sections of a snapshot from `firstSection` on hold.
  package init?(_ snapshot: SnapshotFile, firstSection: Int = 0) {
    guard (0...snapshot.sections.count).contains(firstSection) else { return nil }
    for section in snapshot.sections[firstSection...] {
      guard LexicalSegment.isWhole(section) else { return nil }
      append(LexicalSegment(section, owner: snapshot))
    }
  }

  /// The snapshot's contents, valid while `body` runs.
  package func withSections<R>(_ body: ([UnsafeRawBufferPointer]) -> R) -> R {
    withExtendedLifetime(segments) { body(segments.map(\.segment.memory)) }
  }
}
