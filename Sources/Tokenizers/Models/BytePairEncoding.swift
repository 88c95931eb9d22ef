// Byte-pair encoding as in tokenizer.json: a word's characters (or, after a byte-level pre-tokenizer,
// its bytes) are merged pair by pair. Unknown characters become `<0x..>` byte tokens, the unknown token,
// or nothing. Training settings such as dropout don't matter here.

import JSON

struct BytePairEncoding: Sendable {
  let vocabulary: Vocabulary
  private let merges: MergeTable
  private let unknownID: Int32?
  private let fusesUnknown: Bool
  private let ignoresMerges: Bool
  private let prefix: [UInt8]
  private let suffix: [UInt8]
  /// Ids of `<0x00>` to `<0xFF>`, -1 for one that is missing; empty without byte fallback.
  private let fallbackIDs: [Int32]
  /// Whether words are raw bytes rather than byte-level characters.
  let takesBytes: Bool
  /// Tokens by the bytes that they stand for; only when `takesBytes`.
  private let byteVocabulary: Vocabulary
  /// Ids of single bytes (of ASCII characters unless `takesBytes`), -1 for an unknown one.
  private let singleIDs: [Int32]

  init(_ node: ConfigurationNode, offersBytes: Bool) throws(TokenizerError) {
    try node.allow([
      "type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
      "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges",
    ])
    let vocabulary = try Vocabulary(node.required("vocab"))
    self.vocabulary = vocabulary
    prefix = Array((try node.optional("continuing_subword_prefix")?.string() ?? "").utf8)
    suffix = Array((try node.optional("end_of_word_suffix")?.string() ?? "").utf8)
    fusesUnknown = try node.bool("fuse_unk", default: false)
    ignoresMerges = try node.bool("ignore_merges", default: false)
    let fallsBack = try node.bool("byte_fallback", default: false)
    unknownID = try node.optional("unk_token").map { (token) throws(TokenizerError) in
      try Self.unknownID(token, vocabulary)
    }
    fallbackIDs = fallsBack ? (0...255).map { vocabulary.id(of: Self.byteToken($0)) ?? -1 } : []
    merges = try Self.merges(node.required("merges"), vocabulary, prefixCount: prefix.count)
    takesBytes = offersBytes && prefix.isEmpty && suffix.isEmpty && !fallsBack
    byteVocabulary = takesBytes ? Self.byteVocabulary(vocabulary) : Vocabulary()
    let words = takesBytes ? byteVocabulary : vocabulary
    singleIDs = (0...255).map { words.id(of: [UInt8(truncatingIfNeeded: $0)]) ?? -1 }
  }

  private static func unknownID(
    _ node: ConfigurationNode, _ vocabulary: Vocabulary
  ) throws(TokenizerError) -> Int32 {
    let token = try node.string()
    guard let id = vocabulary.id(of: token) else {
      throw node.malformed("the unknown token \"\(token)\" is not in the vocabulary")
    }
    return id
  }

  /// `<0x0A>` for 10.
  private static func byteToken(_ byte: Int) -> String {
    let digits = String(byte, radix: 16, uppercase: true)
    return digits.count == 1 ? "<0x0\(digits)>" : "<0x\(digits)>"
  }

  private static func byteVocabulary(_ vocabulary: Vocabulary) -> Vocabulary {
    var result = Vocabulary(minimumCapacity: vocabulary.count)
    for (token, id) in vocabulary.tokens {
      if let bytes = ByteAlphabet.bytes(of: token) { _ = result.insert(bytes, id: id) }
    }
    return result
  }

  // MARK: - Merges

  private static func merges(
    _ node: ConfigurationNode, _ vocabulary: Vocabulary, prefixCount: Int
  ) throws(TokenizerError) -> MergeTable {
    guard node.node.kind == .array else { throw node.malformed("expected an array") }
    var table = MergeTable(capacity: node.node.count)
    var rank: UInt32 = 0
    try node.node.forEachElement { (element) throws(TokenizerError) in
      if element.kind == .string, element.string?.hasPrefix("#version") == true { return }
      guard let (left, right) = pair(element) else {
        throw node.malformed("merge \(rank) is not a pair of tokens: \(element.value)")
      }
      guard right.count >= prefixCount, let leftID = vocabulary.id(of: left),
        let rightID = vocabulary.id(of: right),
        let id = vocabulary.id(of: left + right.dropFirst(prefixCount))
      else {
        throw node.malformed(
          "merge \(rank) of \(quoted(left)) and \(quoted(right)) needs a token that is not in the "
            + "vocabulary")
      }
      table.insert(leftID, rightID, MergeTable.Merge(rank: rank, id: id))
      rank += 1
    }
    return table
  }

  /// `"a b"` or `["a", "b"]`.
  private static func pair(_ node: JSONNode) -> ([UInt8], [UInt8])? {
    if let line = node.string {
      let parts = line.utf8.split(separator: 0x20, omittingEmptySubsequences: false)
      return parts.count == 2 ? (Array(parts[0]), Array(parts[1])) : nil
    }
    guard node.kind == .array, node.count == 2, let left = node[0]?.string,
      let right = node[1]?.string
    else { return nil }
    return (Array(left.utf8), Array(right.utf8))
  }

  // MARK: - Encoding

  /// Appends the ids of one word, `text[range]`.
  func encode(
    _ text: [UInt8], _ range: Range<Int>, into ids: inout [Int32], merger: inout SymbolMerger
  ) {
    if ignoresMerges,
      let id = takesBytes
        ? byteVocabulary.id(of: text, in: range) : vocabulary.id(of: text, in: range)
    {
      ids.append(id)
      return
    }
    merger.symbols.removeAll(keepingCapacity: true)
    if takesBytes {
      appendBytes(text, range, to: &merger.symbols)
    } else {
      appendCharacters(text, range, to: &merger.symbols)
    }
    merger.merge(merges)
    ids += merger.symbols
  }

  private func appendBytes(_ text: [UInt8], _ range: Range<Int>, to symbols: inout [Int32]) {
    var unknown = UnknownRun(id: unknownID, isFused: fusesUnknown)
    for index in range {
      let id = singleIDs[Int(text[index])]
      if id >= 0 {
        unknown.end(&symbols)
        symbols.append(id)
      } else {
        unknown.extend(&symbols)
      }
    }
    unknown.end(&symbols)
  }

  private func appendCharacters(_ text: [UInt8], _ range: Range<Int>, to symbols: inout [Int32]) {
    var unknown = UnknownRun(id: unknownID, isFused: fusesUnknown)
    var index = range.lowerBound
    while index < range.upperBound {
      let end = index + scalar(in: text, at: index).length
      if let id = characterID(text, index..<end, in: range) {
        unknown.end(&symbols)
        symbols.append(id)
      } else if let bytes = fallbackIDs(for: decorated(text, index..<end, in: range)) {
        // A run of unknown tokens stays open over byte tokens, as in the reference implementation.
        symbols += bytes
      } else {
        unknown.extend(&symbols)
      }
      index = end
    }
    unknown.end(&symbols)
  }

  private func characterID(
    _ text: [UInt8], _ character: Range<Int>, in word: Range<Int>
  ) -> Int32? {
    if prefix.isEmpty, suffix.isEmpty {
      if text[character.lowerBound] < 0x80 {
        let id = singleIDs[Int(text[character.lowerBound])]
        return id < 0 ? nil : id
      }
      return vocabulary.id(of: text, in: character)
    }
    return vocabulary.id(of: decorated(text, character, in: word))
  }

  /// The character with the prefix of continuing ones and the suffix of the last one.
  private func decorated(
    _ text: [UInt8], _ character: Range<Int>, in word: Range<Int>
  ) -> [UInt8] {
    var result = character.lowerBound > word.lowerBound ? prefix : []
    result += text[character]
    if character.upperBound == word.upperBound { result += suffix }
    return result
  }

  /// The byte tokens of a character, nil unless all of them are there.
  private func fallbackIDs(for character: [UInt8]) -> [Int32]? {
    if fallbackIDs.isEmpty { return nil }
    let ids = character.map { fallbackIDs[Int($0)] }
    return ids.contains(-1) ? nil : ids
  }
}

/// The unknown token for characters that have none: one each, or one for all in a row.
private struct UnknownRun {
  let id: Int32?
  let isFused: Bool
  private var isOpen = false

  init(id: Int32?, isFused: Bool) {
    self.id = id
    self.isFused = isFused
  }

  mutating func extend(_ symbols: inout [Int32]) {
    if isOpen, !isFused { end(&symbols) }
    isOpen = id != nil
  }

  mutating func end(_ symbols: inout [Int32]) {
    if isOpen, let id { symbols.append(id) }
    isOpen = false
  }
}
