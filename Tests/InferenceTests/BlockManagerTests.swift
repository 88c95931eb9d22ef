// The block books: nothing handed out twice, nothing lost.

import Inference
import Testing

@Suite struct BlockManagerTests {
  @Test func extendsByWholeBlocksOnlyWhenAllAreFree() {
    var manager = BlockManager(blockCount: 4, blockSize: 8)
    var table: [Int32] = []
    #expect(manager.extend(&table, toHold: 1))
    #expect(manager.extend(&table, toHold: 8))
    #expect(table == [0])
    #expect(manager.extend(&table, toHold: 17))
    #expect(table == [0, 1, 2])
    var other: [Int32] = []
    #expect(!manager.extend(&other, toHold: 9))
    #expect(other.isEmpty)
    #expect(manager.freeCount == 1)
    #expect(manager.brokenInvariants(tables: [table, other]) == [])
  }

  @Test func releasedBlocksAreHandedOutAgain() {
    var manager = BlockManager(blockCount: 3, blockSize: 4)
    var table: [Int32] = []
    #expect(manager.extend(&table, toHold: 12))
    manager.release(&table)
    #expect(table.isEmpty)
    #expect(manager.freeCount == 3)
    #expect(manager.extend(&table, toHold: 12))
    #expect(table == [0, 1, 2])
  }

  @Test func invariantsNoticeALostTable() {
    var manager = BlockManager(blockCount: 3, blockSize: 4)
    var table: [Int32] = []
    #expect(manager.extend(&table, toHold: 5))
    #expect(manager.brokenInvariants(tables: []) != [])
    #expect(manager.brokenInvariants(tables: [table, table]) != [])
    #expect(manager.brokenInvariants(tables: [table]) == [])
  }

  // MARK: - Contents

  /// A table whose blocks are full of `tokens`, and known.
  private func fill(
    _ manager: inout BlockManager, _ tokens: [Int32], namespace: UInt64 = 0
  ) -> [Int32] {
    var table: [Int32] = []
    #expect(manager.extend(&table, toHold: tokens.count))
    for position in table.indices {
      let start = position * manager.blockSize
      manager.share(
        tokens[start..<start + manager.blockSize], at: position, of: &table, namespace: namespace)
    }
    return table
  }

  private func find(
    _ manager: inout BlockManager, _ tokens: [Int32], namespace: UInt64 = 0
  ) -> [Int32] {
    var table: [Int32] = []
    for start in stride(from: 0, to: tokens.count, by: manager.blockSize) {
      let slice = tokens[start..<start + manager.blockSize]
      guard manager.reuse(slice, behind: &table, namespace: namespace) else { break }
    }
    return table
  }

  @Test func fullBlocksAreFoundByAllThatComesBeforeThem() {
    var manager = BlockManager(blockCount: 8, blockSize: 2)
    var first = fill(&manager, [1, 2, 3, 4])
    #expect(find(&manager, [1, 2, 3, 4]) == first)
    #expect(find(&manager, [1, 2, 4, 3]) == [first[0]])
    #expect(find(&manager, [3, 4]) == [])
    #expect(find(&manager, [1, 2, 3, 4], namespace: 1) == [])
    // Three owners now: the last one to let go leaves it to be found.
    #expect(manager.brokenInvariants(tables: [first, first, [first[0]]]) == [])
    for _ in 0..<2 {
      var table = first
      manager.release(&table)
    }
    var half = [first[0]]
    manager.release(&half)
    #expect(manager.freeCount == 8)
    #expect(find(&manager, [1, 2, 3, 4]) == first)
    manager.release(&first)
    #expect(manager.brokenInvariants(tables: []) == [])
  }

  @Test func equalContentsAreKeptOnce() {
    var manager = BlockManager(blockCount: 8, blockSize: 2)
    let first = fill(&manager, [1, 2, 3, 4])
    let second = fill(&manager, [1, 2, 5, 6])
    #expect(first[0] == second[0] && first[1] != second[1])
    #expect(manager.usedCount == 3 && manager.indexedCount == 3)
    #expect(manager.brokenInvariants(tables: [first, second]) == [])
  }

  @Test func emptyBlocksGoFirstThenTheLeastRecentlyUsed() {
    var manager = BlockManager(blockCount: 6, blockSize: 2)
    var old = fill(&manager, [1, 2, 3, 4])
    var young = fill(&manager, [5, 6, 7, 8])
    manager.release(&old)
    manager.release(&young)
    var table: [Int32] = []
    #expect(manager.extend(&table, toHold: 4))
    #expect(manager.indexedCount == 4)
    // Used again, the old ones outlive the young.
    old = find(&manager, [1, 2, 3, 4])
    manager.release(&old)
    #expect(manager.extend(&table, toHold: 6))
    #expect(manager.brokenInvariants(tables: [table]) == [])
    // The end of a prefix goes before its beginning.
    young = find(&manager, [5, 6, 7, 8])
    #expect(young.count == 1)
    manager.release(&young)
    old = find(&manager, [1, 2, 3, 4])
    #expect(old.count == 2)
    #expect(manager.brokenInvariants(tables: [table, old]) == [])
  }

  @Test func aBlockThatWasOverwrittenIsNotFound() {
    var manager = BlockManager(blockCount: 2, blockSize: 2)
    var table = fill(&manager, [1, 2, 3, 4])
    manager.release(&table)
    table = fill(&manager, [9, 9])
    #expect(find(&manager, [1, 2, 3, 4]).count == 1)
    #expect(find(&manager, [9, 9]) == table)
  }
}
