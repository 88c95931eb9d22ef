// Merging the symbols of one word: always the pair of the lowest rank, the leftmost of equal ones. Short
// words by scanning all ranks, long ones (a SentencePiece text is a single word) with a heap.
// Holds its buffers from word to word.

struct SymbolMerger: Sendable {
  /// Above this many symbols the heap is faster than scanning.
  private static let longestScan = 48

  var symbols: [Int32] = []
  /// Short words: the merge of each symbol with the next.
  private var merges: [MergeTable.Merge] = []
  /// Long words: neighbours of each symbol, -1 at the ends.
  private var previous: [Int32] = []
  private var next: [Int32] = []
  private var heap: [Candidate] = []

  private struct Candidate {
    var rank: UInt32
    var position: Int32
    var id: Int32

    @inline(__always)
    func precedes(_ other: Candidate) -> Bool {
      rank != other.rank ? rank < other.rank : position < other.position
    }
  }

  mutating func merge(_ table: MergeTable) {
    if symbols.count < 2 { return }
    if symbols.count <= Self.longestScan { scan(table) } else { mergeByHeap(table) }
  }

  // MARK: - Short words

  private mutating func scan(_ table: MergeTable) {
    merges.removeAll(keepingCapacity: true)
    for index in 1..<symbols.count { merges.append(table[symbols[index - 1], symbols[index]]) }
    while true {
      var best = 0
      var rank = UInt32.max
      for index in merges.indices where merges[index].rank < rank {
        rank = merges[index].rank
        best = index
      }
      if rank == .max { return }
      symbols[best] = merges[best].id
      symbols.remove(at: best + 1)
      merges.remove(at: best)
      if best > 0 { merges[best - 1] = table[symbols[best - 1], symbols[best]] }
      if best < merges.count { merges[best] = table[symbols[best], symbols[best + 1]] }
    }
  }

  // MARK: - Long words

  private mutating func mergeByHeap(_ table: MergeTable) {
    let count = symbols.count
    previous = (0..<count).map { Int32(truncatingIfNeeded: $0 - 1) }
    next = (0..<count).map { Int32(truncatingIfNeeded: $0 + 1 < count ? $0 + 1 : -1) }
    heap.removeAll(keepingCapacity: true)
    for position in 0..<count - 1 { offer(position, table) }
    while let candidate = popCandidate() {
      let position = Int(candidate.position)
      // A merged-away symbol is -1; a pair that has changed since makes another token.
      guard symbols[position] >= 0, next[position] >= 0 else { continue }
      let right = Int(next[position])
      let merge = table[symbols[position], symbols[right]]
      guard merge.rank != .max, merge.id == candidate.id else { continue }
      symbols[position] = merge.id
      symbols[right] = -1
      next[position] = next[right]
      if next[right] >= 0 { previous[Int(next[right])] = candidate.position }
      if previous[position] >= 0 { offer(Int(previous[position]), table) }
      offer(position, table)
    }
    symbols.removeAll { $0 < 0 }
  }

  /// Puts the merge of a symbol with its right neighbour on the heap, if there is one.
  private mutating func offer(_ position: Int, _ table: MergeTable) {
    guard next[position] >= 0 else { return }
    let merge = table[symbols[position], symbols[Int(next[position])]]
    if merge.rank == .max { return }
    push(
      Candidate(
        rank: merge.rank, position: Int32(truncatingIfNeeded: position), id: merge.id))
  }

  private mutating func push(_ candidate: Candidate) {
    var index = heap.count
    heap.append(candidate)
    while index > 0 {
      let parent = (index - 1) / 2
      guard candidate.precedes(heap[parent]) else { break }
      heap[index] = heap[parent]
      index = parent
    }
    heap[index] = candidate
  }

  private mutating func popCandidate() -> Candidate? {
    guard let top = heap.first, let moved = heap.popLast() else { return nil }
    if heap.isEmpty { return top }
    var index = 0
    while true {
      var child = 2 * index + 1
      if child >= heap.count { break }
      if child + 1 < heap.count, heap[child + 1].precedes(heap[child]) { child += 1 }
      guard heap[child].precedes(moved) else { break }
      heap[index] = heap[child]
      index = child
    }
    heap[index] = moved
    return top
  }
}
