// Tokens added on top of the model's vocabulary, special ones among them: found in the text before the
// model sees it, the longest at each place from the left. Those with `normalized` are looked for in
// their normalised form in normalised text, the others in the text as it came.

struct AddedToken: Sendable {
  let content: String
  let id: Int32
  let isSpecial: Bool
  let isSingleWord: Bool
  let stripsLeft: Bool
  let stripsRight: Bool
  let isNormalized: Bool
  /// What is looked for, and what decoders are given.
  let pattern: [UInt8]
}

/// A stretch of text: an added token, or text between them where `id` is nil.
struct TokenSpan: Sendable {
  let range: Range<Int>
  let id: Int32?
}

struct AddedTokens: Sendable {
  /// In the order of the file.
  let tokens: [AddedToken]
  private let indexByID: [Int32: Int]
  private let idByContent: [String: Int32]
  private let specialContents: Set<String>
  private let verbatim: TokenTrie
  private let normalized: TokenTrie

  init(
    _ node: ConfigurationNode?, vocabulary: Vocabulary, normalizer: Normalizer?
  ) throws(TokenizerError) {
    var reader = AddedTokenReader(vocabulary: vocabulary, normalizer: normalizer)
    if let node { for element in try node.elements() { try reader.read(element) } }
    tokens = reader.tokens
    indexByID = Dictionary(
      tokens.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { $1 })
    idByContent = Dictionary(tokens.map { ($0.content, $0.id) }, uniquingKeysWith: { $1 })
    specialContents = Set(tokens.filter(\.isSpecial).map(\.content))
    var verbatim = TokenTrie()
    var normalized = TokenTrie()
    for (index, token) in tokens.enumerated() {
      if token.isNormalized {
        normalized.insert(token.pattern, index)
      } else {
        verbatim.insert(token.pattern, index)
      }
    }
    self.verbatim = verbatim
    self.normalized = normalized
  }

  func token(_ id: Int32) -> AddedToken? { indexByID[id].map { tokens[$0] } }
  func id(of content: String) -> Int32? { idByContent[content] }

  /// Whether decoding may skip this text as a special token.
  func isSpecial(_ token: [UInt8]) -> Bool {
    specialContents.contains(String(decoding: token, as: UTF8.self))
  }

  func verbatimSpans(in text: [UInt8], parsingSpecial: Bool) -> [TokenSpan] {
    spans(in: text, verbatim, parsingSpecial)
  }

  func normalizedSpans(in text: [UInt8], parsingSpecial: Bool) -> [TokenSpan] {
    spans(in: text, normalized, parsingSpecial)
  }

  private func spans(
    in text: [UInt8], _ trie: TokenTrie, _ parsingSpecial: Bool
  ) -> [TokenSpan] {
    if text.isEmpty { return [] }
    var spans: [TokenSpan] = []
    var start = 0
    var position = 0
    while let match = trie.firstMatch(in: text, from: position) {
      // What a discarded match covers is not searched again.
      position = match.range.upperBound
      let token = tokens[match.value]
      if token.isSpecial, !parsingSpecial { continue }
      if token.isSingleWord, !isWord(match.range, of: text) { continue }
      let range = widened(match.range, for: token, in: text, from: start)
      if start < range.lowerBound {
        spans.append(TokenSpan(range: start..<range.lowerBound, id: nil))
      }
      spans.append(TokenSpan(range: range, id: token.id))
      start = range.upperBound
    }
    if start < text.count { spans.append(TokenSpan(range: start..<text.count, id: nil)) }
    return spans
  }

  private func isWord(_ range: Range<Int>, of text: [UInt8]) -> Bool {
    let classes = CharacterClasses.shared
    let continuesLeft =
      range.lowerBound > 0
      && classes[scalar(in: text, before: range.lowerBound).value].contains(.word)
    let continuesRight =
      range.upperBound < text.count
      && classes[scalar(in: text, at: range.upperBound).value].contains(.word)
    return !continuesLeft && !continuesRight
  }

  /// The match with the white space that the token strips, on its left not beyond `start`.
  private func widened(
    _ range: Range<Int>, for token: AddedToken, in text: [UInt8], from start: Int
  ) -> Range<Int> {
    let classes = CharacterClasses.shared
    var (lower, upper) = (range.lowerBound, range.upperBound)
    while token.stripsLeft, lower > start {
      let (value, length) = scalar(in: text, before: lower)
      guard classes[value].contains(.whiteSpace) else { break }
      lower -= length
    }
    while token.stripsRight, upper < text.count {
      let (value, length) = scalar(in: text, at: upper)
      guard classes[value].contains(.whiteSpace) else { break }
      upper += length
    }
    return lower..<upper
  }
}

/// Reads `added_tokens` and refuses what contradicts the vocabulary or another added token: the
/// reference implementation would give such tokens other ids than the file does.
private struct AddedTokenReader {
  let vocabulary: Vocabulary
  let normalizer: Normalizer?
  private(set) var tokens: [AddedToken] = []
  private var seen: [Int32: String] = [:]
  private var contents: Set<String> = []
  private var patterns: Set<[UInt8]> = []

  init(vocabulary: Vocabulary, normalizer: Normalizer?) {
    self.vocabulary = vocabulary
    self.normalizer = normalizer
  }

  mutating func read(_ node: ConfigurationNode) throws(TokenizerError) {
    try node.allow([
      "id", "content", "single_word", "lstrip", "rstrip", "normalized", "special",
    ])
    let content = try node.required("content").string()
    let id = try node.required("id").tokenID()
    if content.isEmpty { return }
    if let other = seen.updateValue(content, forKey: id) {
      throw node.malformed("\"\(other)\" and \"\(content)\" have the same id \(id)")
    }
    guard contents.insert(content).inserted else {
      throw node.malformed("\"\(content)\" is added twice")
    }
    let expected = vocabulary.id(of: content)
    if let expected, expected != id {
      throw node.malformed("\"\(content)\" has the id \(id), but \(expected) in the vocabulary")
    }
    if expected == nil, let taken = vocabulary.token(id) {
      throw node.malformed("\"\(content)\" has the id \(id) of the vocabulary's \(quoted(taken))")
    }
    let isNormalized = try node.required("normalized").bool()
    let token = AddedToken(
      content: content, id: id,
      isSpecial: try node.required("special").bool(),
      isSingleWord: try node.required("single_word").bool(),
      stripsLeft: try node.required("lstrip").bool(),
      stripsRight: try node.required("rstrip").bool(),
      isNormalized: isNormalized,
      pattern: isNormalized ? normalized(content) : Array(content.utf8))
    if token.pattern.isEmpty {
      throw node.malformed("nothing is left of \"\(content)\" after normalisation")
    }
    guard patterns.insert((isNormalized ? [1] : [0]) + token.pattern).inserted else {
      throw node.malformed("\"\(content)\" equals another added token after normalisation")
    }
    tokens.append(token)
  }

  private func normalized(_ content: String) -> [UInt8] {
    var text = NormalizedText(bytes: Array(content.utf8), startsInput: true)
    normalizer?.apply(to: &text)
    return text.bytes
  }
}
