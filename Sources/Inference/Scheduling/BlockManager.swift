// Who holds which block of the KV cache. Blocks are counted by reference, so that sequences with a
// common prefix can share them. Knows nothing of tokens; never hands out what is in use.

/// The free list and reference counts of a fixed number of blocks.
package struct BlockManager: Sendable {
  package let blockSize: Int
  /// How many owners each block has; 0 is free.
  private var referenceCounts: [Int32]
  /// Free blocks; the last is the next to go.
  private var free: [Int32]

  package init(blockCount: Int, blockSize: Int) {
    precondition(blockCount >= 0 && blockSize > 0)
    self.blockSize = blockSize
    referenceCounts = Array(repeating: 0, count: blockCount)
    free = (0..<Int32(blockCount)).reversed()
  }

  package var blockCount: Int { referenceCounts.count }
  package var freeCount: Int { free.count }
  package var usedCount: Int { blockCount - freeCount }

  /// Blocks needed to hold `tokenCount` tokens.
  package func blocksNeeded(for tokenCount: Int) -> Int {
    (tokenCount + blockSize - 1) / blockSize
  }

  /// Extends `table` to hold `tokenCount` tokens; does nothing and answers false when too few
  /// blocks are free.
  package mutating func extend(_ table: inout [Int32], toHold tokenCount: Int) -> Bool {
    let missing = blocksNeeded(for: tokenCount) - table.count
    guard missing > 0 else { return true }
    guard missing <= free.count else { return false }
    for _ in 0..<missing {
      let block = free.removeLast()
      referenceCounts[Int(block)] = 1
      table.append(block)
    }
    return true
  }

  /// Gives up one reference to each block of `table` and empties it.
  package mutating func release(_ table: inout [Int32]) {
    // Last first, so that the next owner gets them in ascending order again.
    for block in table.reversed() {
      precondition(referenceCounts[Int(block)] > 0, "block \(block) released twice")
      referenceCounts[Int(block)] -= 1
      if referenceCounts[Int(block)] == 0 { free.append(block) }
    }
    table = []
  }

  /// What is wrong with the books, given all block tables; empty when all is well.
  package func brokenInvariants(tables: [[Int32]]) -> [String] {
    var broken: [String] = []
    var references = [Int32](repeating: 0, count: blockCount)
    for table in tables {
      if Set(table).count != table.count { broken.append("table \(table) repeats a block") }
      for block in table { references[Int(block)] += 1 }
    }
    for (block, count) in referenceCounts.enumerated() where count != references[block] {
      broken.append("block \(block) counts \(count) references, but has \(references[block])")
    }
    if Set(free).count != free.count { broken.append("the free list repeats a block") }
    for block in free where referenceCounts[Int(block)] != 0 {
      broken.append("block \(block) is free and in use")
    }
    let unowned = referenceCounts.count { $0 == 0 }
    if unowned != free.count {
      broken.append("\(unowned) blocks have no owner, but \(free.count) are free")
    }
    return broken
  }
}
