// Byte-pair encoding as in tokenizer.json: a word's characters (or, after a byte-level pre-tokenizer,
// its bytes) are merged pair by pair. Unknown characters become `<0x..>` byte tokens, the unknown token,
// or nothing. Training settings such as dropout don't matter here.

import JSON

struct BytePairEncoding: Sendable {
  let vocabulary: Vocabulary
  private let merges: MergeTable
  /// Whether cutting a text before visible blanks (but not between two) leaves its ids alone: no merge
  /// crosses such a place, and no run of unknown characters does.
  let allowsCutsAtVisibleBlanks: Bool
  private let unknownID: Int32?
  private let fusesUnknown: Bool
  private let ignoresMerges: Bool
  private let prefix: [UInt8]
  private let suffix: [UInt8]
  private let fallback: ByteFallback
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
    fallback = ByteFallback(vocabulary, isOn: fallsBack)
    let (merges, crossesBlanks) = try Self.merges(
      node.required("merges"), vocabulary, prefixCount: prefix.count)
    self.merges = merges
    takesBytes = offersBytes && prefix.isEmpty && suffix.isEmpty && !fallsBack
    byteVocabulary = takesBytes ? Self.byteVocabulary(vocabulary) : Vocabulary()
    let words = takesBytes ? byteVocabulary : vocabulary
    singleIDs = Self.singleIDs(words)
    allowsCutsAtVisibleBlanks =
      !takesBytes && !crossesBlanks && !ignoresMerges && prefix.isEmpty && suffix.isEmpty
      && vocabulary.id(of: VisibleBlank.bytes) != nil
  }

  /// SentencePiece's: words are characters.
  init(vocabulary: Vocabulary, merges: MergeTable, unknownID: Int32?, fallsBack: Bool) {
    self.vocabulary = vocabulary
    self.merges = merges
    self.unknownID = unknownID
    (prefix, suffix) = ([], [])
    (fusesUnknown, ignoresMerges, takesBytes) = (true, false, false)
    fallback = ByteFallback(vocabulary, isOn: fallsBack)
    byteVocabulary = Vocabulary()
    singleIDs = Self.singleIDs(vocabulary)
    allowsCutsAtVisibleBlanks =
      vocabulary.id(of: VisibleBlank.bytes) != nil
      && !vocabulary.tokens.contains {
        VisibleBlank.followsAnother(in: $0.token, $0.token.indices)
      }
  }

  /// Tiktoken's: words are bytes, and one that is a token needs no merges. `words` has the tokens'
  /// bytes, `vocabulary` their byte-level characters.
  init(vocabulary: Vocabulary, words: Vocabulary, merges: MergeTable) {
    self.vocabulary = vocabulary
    self.merges = merges
    unknownID = nil
    (prefix, suffix) = ([], [])
    (fusesUnknown, ignoresMerges, takesBytes) = (false, true, true)
    fallback = ByteFallback(vocabulary, isOn: false)
    byteVocabulary = words
    singleIDs = Self.singleIDs(words)
    allowsCutsAtVisibleBlanks = false
  }

  private static func singleIDs(_ words: Vocabulary) -> [Int32] {
    (0...255).map { words.id(of: [UInt8(truncatingIfNeeded: $0)]) ?? -1 }
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

  private static func byteVocabulary(_ vocabulary: Vocabulary) -> Vocabulary {
    var result = Vocabulary(minimumCapacity: vocabulary.count)
    for (token, id) in vocabulary.tokens {
      if let bytes = ByteAlphabet.bytes(of: token) { _ = result.insert(bytes, id: id) }
    }
    return result
  }

  // MARK: - Merges

  /// Also tells whether a merge makes a token with a visible blank after something else.
  private static func merges(
    _ node: ConfigurationNode, _ vocabulary: Vocabulary, prefixCount: Int
  ) throws(TokenizerError) -> (table: MergeTable, crossesBlanks: Bool) {
    guard node.node.kind == .array else { throw node.malformed("expected an array") }
    var table = MergeTable(capacity: node.node.count)
    var crossesBlanks = false
    var rank: UInt32 = 0
    // Both tokens, one after the other: together they are the merged one.
    var pair: [UInt8] = []
    try node.node.forEachElement { (element) throws(TokenizerError) in
      if element.kind == .string, element.string?.hasPrefix("#version") == true { return }
      guard let middle = read(element, into: &pair) else {
        throw node.malformed("merge \(rank) is not a pair of tokens: \(element.value)")
      }
      let leftID = vocabulary.id(of: pair, in: 0..<middle)
      let rightID = vocabulary.id(of: pair, in: middle..<pair.count)
      let isWhole = pair.count - middle >= prefixCount
      if prefixCount > 0, isWhole { pair.removeSubrange(middle..<middle + prefixCount) }
      guard isWhole, let leftID, let rightID, let id = vocabulary.id(of: pair, in: pair.indices)
      else {
        throw node.malformed(
          "merge \(rank) of \(element.value) needs a token that is not in the vocabulary")
      }
      crossesBlanks = crossesBlanks || VisibleBlank.followsAnother(in: pair, pair.indices)
      table.insert(leftID, rightID, MergeTable.Merge(rank: rank, id: id))
      rank += 1
    }
    return (table, crossesBlanks)
  }

  /// Reads `"a b"` or `["a", "b"]` into `pair` and returns where the second token begins.
  private static func read(_ node: JSONNode, into pair: inout [UInt8]) -> Int? {
    pair.removeAll(keepingCapacity: true)
    if let line = node.string {
      pair += line.utf8
      guard let blank = pair.firstIndex(of: 0x20) else { return nil }
      pair.remove(at: blank)
      return pair[blank...].contains(0x20) ? nil : blank
    }
    guard node.kind == .array, node.count == 2, let left = node[0]?.string,
      let right = node[1]?.string
    else { return nil }
    pair += left.utf8
    let middle = pair.count
    pair += right.utf8
    return middle
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
      } else if let bytes = fallback.ids(for: decorated(text, index..<end, in: range)) {
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
