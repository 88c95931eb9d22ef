// What a user's text looks for: words, of which any may be there, "phrases in quotation marks" and
// beginnings*. Any text is a query; marks that don't make one of those mean nothing.
// English stop words are dropped where other words remain; words that are repeated count repeatedly.

package struct LexicalQuery: Sendable, Hashable {
  enum Clause: Sendable, Hashable {
    case word([UInt8])
    /// All words with this beginning, and its stem.
    case prefix([UInt8], stem: [UInt8])
    /// Words at these distances from the first one.
    case phrase([PhraseWord])
  }

  struct PhraseWord: Sendable, Hashable {
    var term: [UInt8]
    var offset: UInt32
  }

  struct WeighedClause: Sendable, Hashable {
    var clause: Clause
    /// How often the query has it.
    var count: Int
  }

  /// A longer query is cut: its last words hardly change what is found.
  static let maximumClauses = 512

  /// In the order in which they first appear.
  private(set) var clauses: [WeighedClause] = []

  /// - Parameter language: of the collection, a tag such as "en".
  package init(_ text: String, language: String) {
    var reader = QueryReader(language: language)
    reader.read(Array(text.utf8))
    let found = reader.isEnglish ? Self.withoutStopWords(reader.found) : reader.found.map(\.clause)
    var places: [Clause: Int] = [:]
    for clause in found.prefix(Self.maximumClauses) {
      if let place = places[clause] {
        clauses[place].count += 1
      } else {
        places[clause] = clauses.count
        clauses.append(WeighedClause(clause: clause, count: 1))
      }
    }
  }

  private static func withoutStopWords(_ found: [QueryReader.Found]) -> [Clause] {
    let meaningful = found.filter { !$0.isStopWord }
    return (meaningful.isEmpty ? found : meaningful).map(\.clause)
  }
}

/// Reads a query from left to right.
private struct QueryReader {
  struct Found {
    var clause: LexicalQuery.Clause
    var isStopWord = false
  }

  let isEnglish: Bool
  private let stemmer: WordStemmer
  private(set) var found: [Found] = []

  init(language: String) {
    stemmer = WordStemmer(language: language)
    isEnglish = language.lowercased().split(separator: "-").first == "en"
  }

  mutating func read(_ text: [UInt8]) {
    var start = 0
    while let phrase = Self.phrase(in: text, from: start) {
      readWords(Array(text[start..<phrase.lowerBound - 1]))
      readPhrase(Array(text[phrase]))
      start = phrase.upperBound + 1
    }
    readWords(Array(text[start...]))
  }

  /// What stands between the next two quotation marks, the first of which begins a word.
  private static func phrase(in text: [UInt8], from start: Int) -> Range<Int>? {
    let quote = UInt8(ascii: "\"")
    let opening = text.indices.dropFirst(start).first { index in
      text[index] == quote && (index == 0 || isSpace(text[index - 1]))
    }
    guard let opening, let closing = text[(opening + 1)...].firstIndex(of: quote) else {
      return nil
    }
    return opening + 1..<closing
  }

  private mutating func readWords(_ text: [UInt8]) {
    for piece in TextScanner.pieces(of: text) {
      switch piece {
      case .word(let range): readWord(text, range)
      case .code(let range): append(stemmer.term(text[range]))
      case .ideographs(let range): readIdeographs(text, range)
      }
    }
  }

  private mutating func readWord(_ text: [UInt8], _ range: Range<Int>) {
    let term = stemmer.term(text[range])
    guard !Self.isPrefix(text, range) else {
      let beginning = stemmer.unstemmed(text[range])
      if !beginning.isEmpty { found.append(Found(clause: .prefix(beginning, stem: term))) }
      return
    }
    let word = String(decoding: text[range], as: UTF8.self).lowercased()
    append(term, isStopWord: isEnglish && EnglishStopWords.contains(word))
  }

  /// Whether the word is followed by an asterisk, and both stand by themselves.
  private static func isPrefix(_ text: [UInt8], _ range: Range<Int>) -> Bool {
    let end = range.upperBound
    return end < text.count && text[end] == UInt8(ascii: "*")
      && (end + 1 == text.count || isSpace(text[end + 1]))
      && (range.lowerBound == 0 || isSpace(text[range.lowerBound - 1]))
  }

  private mutating func append(_ term: [UInt8], isStopWord: Bool = false) {
    guard !term.isEmpty else { return }
    found.append(Found(clause: .word(term), isStopWord: isStopWord))
  }

  /// Pairs; a character by itself is looked up as the beginning of a pair, and the index holds the
  /// last one of a run alone, so that none is missed.
  private mutating func readIdeographs(_ text: [UInt8], _ range: Range<Int>) {
    let characters = Self.characters(text, range)
    if characters.count == 1 {
      let character = Array(text[range])
      found.append(Found(clause: .prefix(character, stem: character)))
    }
    for (first, second) in zip(characters, characters.dropFirst()) {
      append(Array(text[first.lowerBound..<second.upperBound]))
    }
  }

  private mutating func readPhrase(_ text: [UInt8]) {
    var words: [LexicalQuery.PhraseWord] = []
    var offset: UInt32 = 0
    for piece in TextScanner.pieces(of: text) {
      switch piece {
      case .word(let range):
        let term = stemmer.term(text[range])
        if !term.isEmpty { words.append(LexicalQuery.PhraseWord(term: term, offset: offset)) }
        offset += 1
      case .code: break  // its words follow
      case .ideographs(let range):
        let characters = Self.characters(text, range)
        let pairs =
          characters.count == 1
          ? characters
          : zip(characters, characters.dropFirst())
            .map { $0.lowerBound..<$1.upperBound }
        for (index, pair) in pairs.enumerated() {
          words.append(
            LexicalQuery.PhraseWord(term: Array(text[pair]), offset: offset + UInt32(index)))
        }
        offset += UInt32(characters.count)
      }
    }
    if words.count > 1 {
      found.append(Found(clause: .phrase(words)))
    } else {
      readWords(text)
    }
  }

  private static func characters(_ text: [UInt8], _ range: Range<Int>) -> [Range<Int>] {
    var characters: [Range<Int>] = []
    for index in range {
      if text[index] & 0xC0 == 0x80, let last = characters.last {
        characters[characters.count - 1] = last.lowerBound..<index + 1
      } else {
        characters.append(index..<index + 1)
      }
    }
    return characters
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte <= 0x20 }
}
