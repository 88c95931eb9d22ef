// Cutting text where a pattern matches, and what becomes of the matches: Hugging Face's
// `SplitDelimiterBehavior`. Knows single characters by class, literal text, words of `\w` and the
// patterns of WordPattern.

enum SplitPattern: Sendable {
  /// Every character of the class is a match of its own.
  case characters(CharacterClass)
  case literal([UInt8])
  /// `\w+|[^\w\s]+`
  case wordsAndSymbols
  case words(WordPattern)
}

enum SplitBehavior: Sendable {
  case removed, isolated, contiguous, mergedWithPrevious, mergedWithNext

  init(_ node: ConfigurationNode) throws(TokenizerError) {
    switch try node.string() {
    case "Removed": self = .removed
    case "Isolated": self = .isolated
    case "Contiguous": self = .contiguous
    case "MergedWithPrevious": self = .mergedWithPrevious
    case "MergedWithNext": self = .mergedWithNext
    default: throw node.unsupported
    }
  }
}

struct Split: Sendable {
  var pattern: SplitPattern
  var behavior: SplitBehavior
  /// Whether what the pattern doesn't match is taken for the matches.
  var isInverted = false

  /// Appends the pieces of `text[range]`.
  func split(_ text: [UInt8], _ range: Range<Int>, into pieces: inout [Range<Int>]) {
    switch behavior {
    case .isolated:
      forEachSpan(in: text, range) { start, end, _ in pieces.append(start..<end) }
    case .removed:
      forEachSpan(in: text, range) { start, end, isMatch in
        if isMatch == isInverted { pieces.append(start..<end) }
      }
    case .contiguous, .mergedWithPrevious, .mergedWithNext:
      var spans: [Span] = []
      forEachSpan(in: text, range) { start, end, isMatch in
        spans.append(Span(range: start..<end, isMatch: isMatch != isInverted))
      }
      merge(spans, into: &pieces)
    }
  }

  private struct Span {
    var range: Range<Int>
    var isMatch: Bool
  }

  private func merge(_ spans: [Span], into pieces: inout [Range<Int>]) {
    var previous: Span?
    for span in spans {
      if let last = previous, joins(last, span) {
        pieces[pieces.count - 1] = pieces[pieces.count - 1].lowerBound..<span.range.upperBound
      } else {
        pieces.append(span.range)
      }
      previous = span
    }
  }

  private func joins(_ left: Span, _ right: Span) -> Bool {
    switch behavior {
    case .contiguous: left.isMatch == right.isMatch
    case .mergedWithPrevious: right.isMatch && !left.isMatch
    case .mergedWithNext: left.isMatch && !right.isMatch
    case .removed, .isolated: false
    }
  }

  // MARK: - Matches

  /// Matches and what lies between them, from the left: start, end, whether it is a match.
  @inline(__always)
  private func forEachSpan(
    in text: [UInt8], _ range: Range<Int>, _ body: (Int, Int, Bool) -> Void
  ) {
    switch pattern {
    case .characters(let wanted): forEachCharacterSpan(in: text, range, wanted, body)
    case .literal(let literal): forEachLiteralSpan(in: text, range, literal, body)
    case .wordsAndSymbols: forEachRun(in: text, range, body)
    case .words(let pattern):
      let classes = CharacterClasses.shared
      var start = range.lowerBound
      while start < range.upperBound {
        let end = pattern.endOfWord(in: text, start..<range.upperBound, classes)
        body(start, end, true)
        start = end
      }
    }
  }

  private func forEachCharacterSpan(
    in text: [UInt8], _ range: Range<Int>, _ wanted: CharacterClass,
    _ body: (Int, Int, Bool) -> Void
  ) {
    let classes = CharacterClasses.shared
    var start = range.lowerBound
    var position = start
    while position < range.upperBound {
      let (value, length) = scalar(in: text, at: position)
      if classes[value].contains(wanted) {
        if start < position { body(start, position, false) }
        start = position + length
        body(position, start, true)
      }
      position += length
    }
    if start < range.upperBound { body(start, range.upperBound, false) }
  }

  private func forEachLiteralSpan(
    in text: [UInt8], _ range: Range<Int>, _ literal: [UInt8], _ body: (Int, Int, Bool) -> Void
  ) {
    var start = range.lowerBound
    while let match = text.firstIndex(of: literal, in: start..<range.upperBound) {
      if start < match { body(start, match, false) }
      start = match + literal.count
      body(match, start, true)
    }
    if start < range.upperBound { body(start, range.upperBound, false) }
  }

  private func forEachRun(
    in text: [UInt8], _ range: Range<Int>, _ body: (Int, Int, Bool) -> Void
  ) {
    let classes = CharacterClasses.shared
    let relevant: CharacterClass = [.word, .whiteSpace]
    var start = range.lowerBound
    while start < range.upperBound {
      var (value, length) = scalar(in: text, at: start)
      let kind = classes[value].intersection(relevant)
      var end = start + length
      while end < range.upperBound {
        (value, length) = scalar(in: text, at: end)
        if classes[value].intersection(relevant) != kind { break }
        end += length
      }
      body(start, end, kind != .whiteSpace)
      start = end
    }
  }
}
