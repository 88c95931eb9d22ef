// A query's words as an FTS5 expression: any of them may match, the more the better. Every word is
// quoted, so that no text can be read as FTS5's syntax. Words that are repeated count repeatedly.
// English stop words are dropped where other words remain. Ignores what has no words: punctuation.

struct LexicalQuery: Sendable, Hashable {
  /// A longer query is cut: its last words hardly change what is found.
  static let maximumTerms = 512

  /// Words and pairs of characters, as they are looked up.
  let terms: [String]

  init(_ text: String, language: String) {
    var cutter = WordCutter()
    for scalar in text.unicodeScalars where cutter.terms.count < Self.maximumTerms {
      cutter.take(LexicalAnalyzer.narrow(scalar))
    }
    cutter.finish()
    let words = cutter.terms.prefix(Self.maximumTerms)
    guard LexicalAnalyzer.isEnglish(language) else {
      terms = Array(words)
      return
    }
    let meaningful = words.filter { !EnglishStopWords.contains($0.lowercased()) }
    terms = meaningful.isEmpty ? Array(words) : Array(meaningful)
  }

  /// nil where the text has no words.
  var matchExpression: String? {
    guard !terms.isEmpty else { return nil }
    return terms.map(Self.quoted).joined(separator: " OR ")
  }

  /// A single ideograph is looked up as the start of a pair; the index holds the last one of a run
  /// by itself, so that none is missed.
  private static func quoted(_ term: String) -> String {
    // No quotation mark is part of a word, so there is none to escape.
    let quoted = "\"\(term)\""
    let scalars = term.unicodeScalars
    guard let only = scalars.first, scalars.count == 1, LexicalAnalyzer.isIdeographic(only) else {
      return quoted
    }
    return quoted + " *"
  }
}

/// Collects words and, from runs of ideographs, pairs.
private struct WordCutter {
  private(set) var terms: [String] = []
  private var word = ""
  private var run: [Unicode.Scalar] = []

  mutating func take(_ scalar: Unicode.Scalar) {
    if LexicalAnalyzer.isIdeographic(scalar) {
      finishWord()
      run.append(scalar)
    } else {
      finishRun()
      if Self.isPartOfWord(scalar) {
        word.unicodeScalars.append(scalar)
      } else {
        finishWord()
      }
    }
  }

  mutating func finish() {
    finishWord()
    finishRun()
  }

  private mutating func finishWord() {
    if !word.isEmpty { terms.append(word) }
    word = ""
  }

  private mutating func finishRun() {
    if run.count == 1 {
      terms.append(String(Character(run[0])))
    } else {
      for (first, second) in zip(run, run.dropFirst()) {
        var pair = String.UnicodeScalarView()
        pair.append(first)
        pair.append(second)
        terms.append(String(pair))
      }
    }
    run.removeAll(keepingCapacity: true)
  }

  /// What unicode61 takes for a character of a word: letters, numbers, private use, and the marks
  /// that follow them.
  private static func isPartOfWord(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
    case .decimalNumber, .letterNumber, .otherNumber, .privateUse: true
    case .nonspacingMark, .spacingMark, .enclosingMark: true
    default: false
    }
  }
}
