// How a region's work is shared out: each worker has a stretch of its own, which it takes from the
// front, and whoever is done takes from the back of another's. Work that lies in a row, as weights
// do, is then read in a row: the processor fetches ahead of whoever reads on, and a new place costs
// it time. Relies on all workers having left one assignment before the next.

import Synchronization

// SAFETY: the words are atomic, and live as long as the object.
final class WorkStretches: @unchecked Sendable {
  private let words: UnsafeMutablePointer<Atomic<UInt64>>
  private let workers: Int
  /// Words to a cache line: each worker's is on one of its own.
  private static let stride = 8

  init(workers: Int) {
    self.workers = workers
    words = .allocate(capacity: workers * Self.stride)
    for i in 0..<workers * Self.stride { (words + i).initialize(to: Atomic(0)) }
  }

  deinit {
    words.deinitialize(count: workers * Self.stride)
    words.deallocate()
  }

  /// Equal shares of 0..<count, which is below 2^32.
  func assign(_ count: Int) {
    for worker in 0..<workers {
      let share = Share(
        low: UInt32(count * worker / workers), high: UInt32(count * (worker + 1) / workers))
      self[worker].store(share.word, ordering: .relaxed)
    }
  }

  /// What the worker does next, `grain` or more at a time while there is so much; nil when all is
  /// taken. An eighth of its own stretch; half of another's.
  func take(worker: Int, grain: Int) -> Range<Int>? {
    if let range = take(from: worker, { max(grain, $0 / 8) }, atFront: true) { return range }
    for offset in 1..<workers {
      let other = (worker + offset) % workers
      if let range = take(from: other, { max(grain, $0 / 2) }, atFront: false) { return range }
    }
    return nil
  }

  private func take(
    from worker: Int, _ size: (_ left: Int) -> Int, atFront: Bool
  ) -> Range<Int>? {
    var word = self[worker].load(ordering: .relaxed)
    while true {
      let share = Share(word: word)
      guard share.count > 0 else { return nil }
      let taken = min(share.count, size(share.count))
      let (range, left) = atFront ? share.cutFront(taken) : share.cutBack(taken)
      let (done, now) = self[worker].compareExchange(
        expected: word, desired: left.word, ordering: .relaxed)
      if done { return range }
      word = now
    }
  }

  private subscript(worker: Int) -> Atomic<UInt64> {
    _read { yield words[worker * Self.stride] }
  }
}

/// What is left of a stretch; one word, so that both ends change together.
private struct Share {
  var low: UInt32
  var high: UInt32

  init(low: UInt32, high: UInt32) {
    self.low = low
    self.high = high
  }

  init(word: UInt64) {
    low = UInt32(truncatingIfNeeded: word)
    high = UInt32(word >> 32)
  }

  var word: UInt64 { UInt64(high) << 32 | UInt64(low) }
  var count: Int { Int(high) - Int(low) }

  func cutFront(_ taken: Int) -> (Range<Int>, Share) {
    let cut = low + UInt32(taken)
    return (Int(low)..<Int(cut), Share(low: cut, high: high))
  }

  func cutBack(_ taken: Int) -> (Range<Int>, Share) {
    let cut = high - UInt32(taken)
    return (Int(cut)..<Int(high), Share(low: low, high: cut))
  }
}
