// The model's tokens and their ids, both ways. Ids need not be dense, but each belongs to one token
// and stays below a bound that keeps the tables by id small.

import JSON

struct Vocabulary: Sendable {
  /// Far above any published vocabulary; a larger id is a broken file.
  static let maximumID = 1 << 24

  private var table: ByteTable
  private var ids: [Int32] = []
  /// Entry in `table` by id, -1 for an id without a token.
  private var entries: [Int32] = []
  /// Bytes of the longest token.
  private(set) var longestToken = 0

  init(minimumCapacity: Int = 0) {
    table = ByteTable(minimumCapacity: minimumCapacity)
    ids.reserveCapacity(minimumCapacity)
    entries.reserveCapacity(minimumCapacity)
  }

  /// Reads `{"token": id, ...}`.
  init(_ node: ConfigurationNode) throws(TokenizerError) {
    guard node.node.kind == .object else { throw node.malformed("expected an object") }
    self.init(minimumCapacity: node.node.count)
    try node.node.forEachMember { (token, member) throws(TokenizerError) in
      guard let value = member.int, (0..<Self.maximumID).contains(value) else {
        throw node.malformed(
          "the id of \"\(token)\" is not a whole number from 0 to \(Self.maximumID - 1)")
      }
      let id = Int32(truncatingIfNeeded: value)
      if let taken = self.token(id) {
        throw node.malformed("both \(quoted(taken)) and \"\(token)\" have the id \(id)")
      }
      guard insert(Array(token.utf8), id: id) else {
        throw node.malformed("the token \"\(token)\" occurs twice")
      }
    }
  }

  /// The ids count from 0; of equal tokens the last one's id is found.
  init(tokens: [[UInt8]]) {
    self.init(minimumCapacity: tokens.count)
    for (index, token) in tokens.enumerated() {
      let id = Int32(truncatingIfNeeded: index)
      if insert(token, id: id) { continue }
      let entry = table.entry(for: token, in: token.indices) ?? 0
      ids[entry] = id
      entries.append(Int32(truncatingIfNeeded: entry))
    }
  }

  /// False when the token is there already.
  mutating func insert(_ token: [UInt8], id: Int32) -> Bool {
    let hash = ByteTable.hash(token, token.indices)
    if table.entry(for: token, in: token.indices, hash: hash) != nil { return false }
    let entry = table.insert(token, in: token.indices, hash: hash)
    ids.append(id)
    if entries.count <= Int(id) {
      entries += repeatElement(-1, count: Int(id) + 1 - entries.count)
    }
    entries[Int(id)] = Int32(truncatingIfNeeded: entry)
    longestToken = max(longestToken, token.count)
    return true
  }

  /// Different tokens.
  var count: Int { ids.count }

  @inline(__always)
  func id(of text: [UInt8], in range: Range<Int>) -> Int32? {
    table.entry(for: text, in: range).map { ids[$0] }
  }

  func id(of token: [UInt8]) -> Int32? { id(of: token, in: token.indices) }
  func id(of token: String) -> Int32? { id(of: Array(token.utf8)) }

  func token(_ id: Int32) -> [UInt8]? {
    guard id >= 0, Int(id) < entries.count, entries[Int(id)] >= 0 else { return nil }
    return Array(table.key(of: Int(entries[Int(id)])))
  }

  /// Every token with its id, in the order of the file.
  var tokens: [(token: [UInt8], id: Int32)] {
    ids.indices.map { (Array(table.key(of: $0)), ids[$0]) }
  }
}

/// A token for an error message.
func quoted(_ token: some Sequence<UInt8>) -> String {
  "\"\(String(decoding: Array(token), as: UTF8.self))\""
}
