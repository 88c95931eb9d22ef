// The best rows of one segment by MaxScore over windows of rows (Turtle and Flood 1995; Ding and Suel
// 2011 for the blocks' bounds). In each window, words whose bounds together can't lift a row among
// the best are looked up only for the rows that the other words bring; a window whose bounds are too
// low altogether is passed by. Scores are whole numbers, so the order of additions doesn't matter.

import CKernels

struct SegmentSearch {
  private let lists: [ScoredList]
  private let firstRow: Int
  private let rowCount: Int
  private let mask: RowBitmap?
  private let isSelective: Bool
  private let scale: Double

  private static let windowRows = 2048

  init(
    _ lists: [ScoredList], firstRow: Int, rowCount: Int, mask: RowBitmap?, isSelective: Bool,
    scale: Double
  ) {
    self.lists = lists
    self.firstRow = firstRow
    self.rowCount = rowCount
    self.mask = mask
    self.isSelective = isSelective
    self.scale = scale
  }

  func run(into top: inout TopRows) {
    let window = Self.windowRows
    withUnsafeTemporaryAllocation(
      of: UInt32.self, capacity: 3 * window + lists.count * PostingsCursor.scratchCount
    ) { scratch in
      guard let base = scratch.baseAddress else { return }
      base.initialize(repeating: 0, count: window)
      let sums = UnsafeMutableRawPointer(base).assumingMemoryBound(to: Int32.self)
      let candidates = Candidates(
        rows: base + window,
        sums: UnsafeMutableRawPointer(base + 2 * window).assumingMemoryBound(to: Int32.self))
      var cursors = Self.cursors(lists, scratch: base + 3 * window)
      var first: UInt32 = 0
      while let start = Self.nextRow(from: first, &cursors) {
        let end = min(start + UInt32(window), UInt32(rowCount))
        search(start, end, &cursors, sums, candidates, &top)
        first = end
      }
    }
  }

  /// Whole-numbered scores of rows, which ascend.
  static func sums(of rows: [UInt32], _ lists: [ScoredList]) -> [Int32] {
    withUnsafeTemporaryAllocation(
      of: UInt32.self, capacity: lists.count * PostingsCursor.scratchCount
    ) { scratch in
      guard let base = scratch.baseAddress else { return [] }
      var cursors = cursors(lists, scratch: base)
      return rows.map { row in
        var sum: Int32 = 0
        for index in cursors.indices { sum += cursors[index].score(of: row) }
        return sum
      }
    }
  }

  private static func cursors(_ lists: [ScoredList], scratch: UnsafeMutablePointer<UInt32>)
    -> [PostingsCursor]
  {
    lists.enumerated().map { index, list in
      PostingsCursor(
        list.postings.list, list.scorer, scratch: scratch + index * PostingsCursor.scratchCount)
    }
  }

  private static func nextRow(from first: UInt32, _ cursors: inout [PostingsCursor]) -> UInt32? {
    var next: UInt32?
    for index in cursors.indices {
      guard let row = cursors[index].nextRow(from: first) else { continue }
      next = min(next ?? row, row)
    }
    return next
  }

  // MARK: One window

  /// Rows of the window that may still win, by ascending row, with what is known of their sums.
  private struct Candidates {
    let rows: UnsafeMutablePointer<UInt32>
    let sums: UnsafeMutablePointer<Int32>
    var count = 0
  }

  private func search(
    _ first: UInt32, _ end: UInt32, _ cursors: inout [PostingsCursor],
    _ sums: UnsafeMutablePointer<Int32>, _ room: Candidates, _ top: inout TopRows
  ) {
    // A row must be better than this; of equal rows the earlier one stays.
    let least = top.threshold.isFinite ? Int32(top.threshold * scale) : 0
    let bounds = cursors.indices.map { cursors[$0].bound(from: first, to: end) }
    let order = bounds.indices.filter { bounds[$0] > 0 }.sorted { bounds[$0] < bounds[$1] }
    // Words from `needed` on are gone through, those before it looked up.
    var needed = 0
    var rest: Int32 = 0
    while needed < order.count, rest + bounds[order[needed]] <= least {
      rest += bounds[order[needed]]
      needed += 1
    }
    guard needed < order.count else { return }
    var candidates = room
    if isSelective, let mask {
      for index in order[needed...] { rest += bounds[index] }
      needed = order.count
      takeAllowed(mask, first, end, &candidates)
    } else {
      for index in order[needed...] { cursors[index].add(from: first, to: end, sums) }
      candidates.count = martlet_take_greater(
        sums, Int(end - first), max(0, least - rest), candidates.rows, candidates.sums)
      if let mask { dropForbidden(mask, first, &candidates) }
    }
    for index in order[..<needed].reversed() where candidates.count > 0 {
      add(&cursors[index], first, atLeast: least - rest, &candidates)
      rest -= bounds[index]
    }
    for index in 0..<candidates.count where candidates.sums[index] > least {
      top.insert(
        ScoredRow(
          row: firstRow + Int(first + candidates.rows[index]),
          score: Double(candidates.sums[index]) / scale))
    }
  }

  /// Adds one word's scores to the candidates whose sum is greater than `least`, drops the others.
  private func add(
    _ cursor: inout PostingsCursor, _ first: UInt32, atLeast least: Int32,
    _ candidates: inout Candidates
  ) {
    var kept = 0
    for index in 0..<candidates.count where candidates.sums[index] > least {
      let row = candidates.rows[index]
      candidates.sums[kept] = candidates.sums[index] + cursor.score(of: first + row)
      candidates.rows[kept] = row
      kept += 1
    }
    candidates.count = kept
  }

  private func takeAllowed(
    _ mask: RowBitmap, _ first: UInt32, _ end: UInt32, _ candidates: inout Candidates
  ) {
    let base = firstRow + Int(first)
    mask.forEach(in: base..<firstRow + Int(end)) { row in
      candidates.rows[candidates.count] = UInt32(row - base)
      candidates.sums[candidates.count] = 0
      candidates.count += 1
    }
  }

  private func dropForbidden(_ mask: RowBitmap, _ first: UInt32, _ candidates: inout Candidates) {
    var kept = 0
    for index in 0..<candidates.count where mask[firstRow + Int(first + candidates.rows[index])] {
      candidates.rows[kept] = candidates.rows[index]
      candidates.sums[kept] = candidates.sums[index]
      kept += 1
    }
    candidates.count = kept
  }
}
