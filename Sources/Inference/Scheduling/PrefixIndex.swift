// Finds full blocks of the KV cache again by what they hold. A block is named by everything before
// it and its own tokens. Prefixes get numbers that are never given out twice, and names are compared
// token by token, so that equal names mean equal contents: no hash can collide into a wrong answer.

/// The blocks whose contents can be found again.
package struct PrefixIndex: Sendable {
  /// All that comes before a block.
  package enum Prefix: Hashable, Sendable {
    /// Nothing. Models and adapters, which compute other keys and values from the same tokens, have
    /// a namespace each.
    case empty(namespace: UInt64)
    /// Full blocks, the last of which was entered under this number.
    case entry(UInt64)
  }

  package struct Name: Hashable, Sendable {
    let prefix: Prefix
    let tokens: [Int32]
  }

  private struct Entry: Sendable {
    let number: UInt64
    let name: Name
  }

  private var blocks: [Name: Int32] = [:]
  /// The blocks behind each prefix.
  private var followers: [Prefix: Set<Int32>] = [:]
  /// By block; nil for blocks that are free of known contents.
  private var entries: [Entry?]
  private var lastNumber: UInt64 = 0

  init(blockCount: Int) {
    entries = Array(repeating: nil, count: blockCount)
  }

  var count: Int { blocks.count }

  func contains(_ block: Int32) -> Bool { entries[Int(block)] != nil }

  /// The block that holds what `name` says.
  func find(_ name: Name) -> Int32? { blocks[name] }

  /// Of the blocks with the same before them as `name`, the one that has most tokens at its beginning in
  /// common with it, and how many; nil where none has any.
  func closest(to name: Name) -> (block: Int32, count: Int)? {
    var closest: (block: Int32, count: Int)?
    for block in followers[name.prefix, default: []] {
      guard let tokens = entries[Int(block)]?.name.tokens else { continue }
      var count = 0
      while count < min(tokens.count, name.tokens.count), tokens[count] == name.tokens[count] {
        count += 1
      }
      // Of equals the first, so that nothing depends on a set's order.
      if count > 0, (-count, block) < (-(closest?.count ?? 0), closest?.block ?? 0) {
        closest = (block, count)
      }
    }
    return closest
  }

  /// What ends with `block`; nil when the block's contents aren't known.
  func prefix(through block: Int32) -> Prefix? {
    entries[Int(block)].map { .entry($0.number) }
  }

  /// Enters a block that is not in the index under a name that is not either.
  mutating func enter(_ block: Int32, as name: Name) {
    precondition(!contains(block) && find(name) == nil, "block \(block) is entered twice")
    lastNumber += 1
    entries[Int(block)] = Entry(number: lastNumber, name: name)
    blocks[name] = block
    followers[name.prefix, default: []].insert(block)
  }

  /// Forgets a block's contents, which are about to be overwritten.
  mutating func forget(_ block: Int32) {
    guard let entry = entries[Int(block)] else { return }
    blocks[entry.name] = nil
    entries[Int(block)] = nil
    followers[entry.name.prefix]?.remove(block)
    if followers[entry.name.prefix]?.isEmpty == true { followers[entry.name.prefix] = nil }
  }

  /// What is wrong with the index; empty when all is well. `goesFirst` says whether a block will be
  /// overwritten before the last block of its prefix.
  func brokenInvariants(goesFirst: (_ block: Int32, _ prefix: Int32) -> Bool) -> [String] {
    var broken: [String] = []
    var numbers: [UInt64: Int32] = [:]
    for (block, entry) in entries.enumerated() {
      guard let entry else { continue }
      numbers[entry.number] = Int32(block)
      if blocks[entry.name] != Int32(block) { broken.append("block \(block) can't be found") }
      if followers[entry.name.prefix]?.contains(Int32(block)) != true {
        broken.append("block \(block) is not among those behind its prefix")
      }
    }
    if followers.values.contains(where: \.isEmpty)
      || followers.values.reduce(0, { $0 + $1.count }) != numbers.count
    {
      broken.append("the index lists blocks behind prefixes that are forgotten")
    }
    if blocks.count != numbers.count { broken.append("the index and its entries differ in number") }
    for (name, block) in blocks {
      guard case .entry(let number) = name.prefix else { continue }
      guard let parent = numbers[number] else {
        broken.append("block \(block) follows a block that is forgotten")
        continue
      }
      if !goesFirst(block, parent) { broken.append("block \(parent) goes before \(block)") }
    }
    return broken
  }
}
