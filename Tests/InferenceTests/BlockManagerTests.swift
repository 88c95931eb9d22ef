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
}
