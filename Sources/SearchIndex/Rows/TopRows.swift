// The k best rows seen so far: a binary heap with the worst of them at its root. A row is better
// with a higher score, or with the same score and a lower number; the order is total, so the result
// doesn't depend on the order in which rows arrive.

package struct ScoredRow: Sendable, Hashable {
  package var row: Int
  package var score: Double

  package init(row: Int, score: Double) {
    self.row = row
    self.score = score
  }

  package func isBetter(than other: ScoredRow) -> Bool {
    score > other.score || (score == other.score && row < other.row)
  }
}

package struct TopRows: Sendable {
  package let capacity: Int
  private var heap: [ScoredRow] = []

  /// Room is taken as rows come: there may be far fewer than the capacity.
  package init(capacity: Int) { self.capacity = max(0, capacity) }

  /// A score below this can't enter.
  package var threshold: Double {
    guard heap.count == capacity else { return -.infinity }
    return heap.first?.score ?? .infinity
  }

  package mutating func insert(_ candidate: ScoredRow) {
    if heap.count < capacity {
      heap.append(candidate)
      siftUp(heap.count - 1)
    } else if let worst = heap.first, candidate.isBetter(than: worst) {
      heap[0] = candidate
      siftDown(0)
    }
  }

  package mutating func merge(_ other: TopRows) {
    for candidate in other.heap { insert(candidate) }
  }

  /// The best first.
  package var sorted: [ScoredRow] { heap.sorted { $0.isBetter(than: $1) } }

  private mutating func siftUp(_ start: Int) {
    var child = start
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[parent].isBetter(than: heap[child]) else { return }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  private mutating func siftDown(_ start: Int) {
    var parent = start
    while true {
      var worst = parent
      for child in [2 * parent + 1, 2 * parent + 2]
      where child < heap.count && heap[worst].isBetter(than: heap[child]) {
        worst = child
      }
      guard worst != parent else { return }
      heap.swapAt(parent, worst)
      parent = worst
    }
  }
}
