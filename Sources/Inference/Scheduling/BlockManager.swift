// Who holds which block of the KV cache. Blocks are counted by reference, so that sequences with a
// common prefix share them, and full ones keep their contents after the last reference is gone, until
// the memory is needed: least recently used first. Never hands out what is in use.
//
// Relies on a sequence holding all blocks before one that it holds. Together with giving up the last
// blocks first, that makes a prefix outlive what was computed after it.

/// Reference counts, free blocks and known contents of a fixed number of blocks.
package struct BlockManager: Sendable {
  package let blockSize: Int
  /// How many owners each block has; 0 is free.
  private var referenceCounts: [Int32]
  /// Free blocks: those without contents, then those with, least recently used first.
  private var free: BlockQueue
  private var index: PrefixIndex

  package init(blockCount: Int, blockSize: Int) {
    precondition(blockCount >= 0 && blockSize > 0)
    self.blockSize = blockSize
    referenceCounts = Array(repeating: 0, count: blockCount)
    free = BlockQueue(capacity: blockCount)
    index = PrefixIndex(blockCount: blockCount)
    for block in 0..<Int32(blockCount) { free.append(block) }
  }

  package var blockCount: Int { referenceCounts.count }
  /// Blocks that can be had, with contents or without.
  package var freeCount: Int { free.count }
  package var usedCount: Int { blockCount - freeCount }
  /// Blocks whose contents can be found again, in use or not.
  package var indexedCount: Int { index.count }

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
      guard let block = free.popFirst() else { preconditionFailure("the free list miscounts") }
      index.forget(block)
      referenceCounts[Int(block)] = 1
      table.append(block)
    }
    return true
  }

  /// Gives up the last blocks of `table` that holding `tokenCount` tokens doesn't need.
  package mutating func shrink(_ table: inout [Int32], toHold tokenCount: Int) {
    while table.count > blocksNeeded(for: tokenCount) { release(table.removeLast()) }
  }

  /// Gives up one reference to each block of `table` and empties it.
  package mutating func release(_ table: inout [Int32]) {
    for block in table.reversed() { release(block) }
    table = []
  }

  private mutating func release(_ block: Int32) {
    precondition(referenceCounts[Int(block)] > 0, "block \(block) released twice")
    referenceCounts[Int(block)] -= 1
    guard referenceCounts[Int(block)] == 0 else { return }
    if index.contains(block) { free.append(block) } else { free.prepend(block) }
  }

  private mutating func retain(_ block: Int32) {
    if referenceCounts[Int(block)] == 0 { free.remove(block) }
    referenceCounts[Int(block)] += 1
  }

  // MARK: - Contents

  /// Appends to `table`, all of whose blocks are full and known, the block that holds `tokens`
  /// behind them; answers false where there is none.
  package mutating func reuse(
    _ tokens: ArraySlice<Int32>, behind table: inout [Int32], namespace: UInt64
  ) -> Bool {
    guard let name = name(of: tokens, behind: table[...], namespace: namespace),
      let block = index.find(name)
    else { return false }
    retain(block)
    table.append(block)
    return true
  }

  /// Appends to `table`, all of whose blocks are full and known, a block of its own for what `tokens` and
  /// some known block behind the same have in common at their beginning. Answers the known block, which
  /// is to be copied, and the number of those tokens; nil where there is no such block, or none free.
  package mutating func extend(
    _ table: inout [Int32], toCopyBeginningOf tokens: ArraySlice<Int32>, namespace: UInt64
  ) -> (source: Int32, count: Int)? {
    guard let name = name(of: tokens, behind: table[...], namespace: namespace),
      let known = index.closest(to: name)
    else { return nil }
    retain(known.block)  // so that it isn't the free block that is taken
    defer { release(known.block) }
    guard extend(&table, toHold: table.count * blockSize + known.count) else { return nil }
    return (known.block, known.count)
  }

  /// Makes the full block at `position` of `table`, which holds `tokens`, known. Where another block
  /// holds the same already, `table` goes on with that one and its own is freed.
  package mutating func share(
    _ tokens: ArraySlice<Int32>, at position: Int, of table: inout [Int32], namespace: UInt64
  ) {
    precondition(tokens.count == blockSize)
    guard let name = name(of: tokens, behind: table[..<position], namespace: namespace) else {
      preconditionFailure("a block is full, but those before it are not known")
    }
    guard let known = index.find(name) else {
      index.enter(table[position], as: name)
      return
    }
    guard known != table[position] else { return }
    retain(known)
    release(table[position])
    table[position] = known
  }

  private func name(
    of tokens: ArraySlice<Int32>, behind table: ArraySlice<Int32>, namespace: UInt64
  ) -> PrefixIndex.Name? {
    guard let last = table.last else {
      return PrefixIndex.Name(prefix: .empty(namespace: namespace), tokens: Array(tokens))
    }
    return index.prefix(through: last).map { PrefixIndex.Name(prefix: $0, tokens: Array(tokens)) }
  }

  // MARK: - Invariants

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
    let line = free.elements
    if Set(line).count != free.count { broken.append("the free list repeats or loses a block") }
    for block in line where referenceCounts[Int(block)] != 0 {
      broken.append("block \(block) is free and in use")
    }
    let unowned = referenceCounts.count { $0 == 0 }
    if unowned != line.count {
      broken.append("\(unowned) blocks have no owner, but \(line.count) are free")
    }
    let places = Dictionary(line.enumerated().map { ($1, $0) }, uniquingKeysWith: min)
    return broken
      + index.brokenInvariants { block, prefix in
        guard let place = places[prefix] else { return true }
        return places[block].map { $0 < place } ?? false
      }
  }
}
