// Partial selection: the k best of many scores with a heap of k, in O(n log k) at worst and close
// to n comparisons in practice. Equal scores rank by lower id, so the result is unique.

/// A bounded heap that keeps the `capacity` largest scores it has seen.
struct LargestScores {
  struct Entry: Equatable {
    var id: Int32
    var score: Float

    func ranksBefore(_ other: Entry) -> Bool {
      score != other.score ? score > other.score : id < other.id
    }
  }

  let capacity: Int
  /// A binary heap with the worst entry at the root.
  private var heap: [Entry] = []

  init(capacity: Int) {
    self.capacity = capacity
    heap.reserveCapacity(capacity)
  }

  /// The lowest-ranking entry kept.
  var worst: Entry? { heap.first }

  /// The entries, best first.
  var sorted: [Entry] { heap.sorted { $0.ranksBefore($1) } }

  mutating func insert(id: Int32, score: Float) {
    let entry = Entry(id: id, score: score)
    if heap.count < capacity {
      heap.append(entry)
      siftUp(heap.count - 1)
    } else if let worst = heap.first, entry.ranksBefore(worst) {
      heap[0] = entry
      siftDown(0)
    }
  }

  private mutating func siftUp(_ start: Int) {
    var child = start
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[parent].ranksBefore(heap[child]) else { return }
      heap.swapAt(parent, child)
      child = parent
    }
  }

  private mutating func siftDown(_ start: Int) {
    var parent = start
    while true {
      var worst = parent
      let left = 2 * parent + 1
      for child in left..<left + 2 where child < heap.count {
        if heap[worst].ranksBefore(heap[child]) { worst = child }
      }
      guard worst != parent else { return }
      heap.swapAt(parent, worst)
      parent = worst
    }
  }
}
