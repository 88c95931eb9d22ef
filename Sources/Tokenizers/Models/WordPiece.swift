// WordPiece: a word becomes the longest known pieces from its left, all but the first looked up with
// the continuation prefix; a word that cannot be covered, or is too long, becomes the unknown token.

struct WordPiece: Sendable {
  let vocabulary: Vocabulary
  private let unknownID: Int32
  private let prefix: [UInt8]
  private let maximumScalars: Int

  init(_ node: ConfigurationNode) throws(TokenizerError) {
    try node.allow([
      "type", "vocab", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word",
    ])
    vocabulary = try Vocabulary(node.required("vocab"))
    let unknown = try node.optional("unk_token")?.string() ?? "[UNK]"
    guard let id = vocabulary.id(of: unknown) else {
      throw node.malformed("the unknown token \"\(unknown)\" is not in the vocabulary")
    }
    unknownID = id
    prefix = Array((try node.optional("continuing_subword_prefix")?.string() ?? "##").utf8)
    maximumScalars = try node.optional("max_input_chars_per_word")?.count() ?? 100
  }

  /// Appends the ids of one word, `text[range]`; `candidate` is scratch space.
  func encode(
    _ text: [UInt8], _ range: Range<Int>, into ids: inout [Int32], candidate: inout [UInt8]
  ) {
    let start = ids.count
    if text[range].count(where: { $0 & 0xC0 != 0x80 }) > maximumScalars {
      ids.append(unknownID)
      return
    }
    var position = range.lowerBound
    while position < range.upperBound {
      let isFirst = position == range.lowerBound
      guard let (id, end) = longest(text, position..<range.upperBound, isFirst, &candidate) else {
        ids.removeLast(ids.count - start)
        ids.append(unknownID)
        return
      }
      ids.append(id)
      position = end
    }
  }

  /// The longest known piece at the start of `text[range]` and where it ends.
  private func longest(
    _ text: [UInt8], _ range: Range<Int>, _ isFirst: Bool, _ candidate: inout [UInt8]
  ) -> (Int32, Int)? {
    let skipped = isFirst ? 0 : prefix.count
    candidate.removeAll(keepingCapacity: true)
    if !isFirst { candidate += prefix }
    candidate += text[range].prefix(max(0, vocabulary.longestToken - skipped))
    var end = candidate.count
    while end > skipped {
      let position = range.lowerBound + end - skipped
      let isBoundary = position == range.upperBound || text[position] & 0xC0 != 0x80
      if isBoundary, let id = vocabulary.id(of: candidate, in: 0..<end) { return (id, position) }
      end -= 1
    }
    return nil
  }
}
