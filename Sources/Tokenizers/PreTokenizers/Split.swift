// Cutting text where a pattern matches, and what becomes of the matches: Hugging Face's
// `SplitDelimiterBehavior`. Knows single characters by class, literal text, words of `\w`, the patterns
// of WordPattern, other regular expressions, and pieces of a fixed length.

enum SplitPattern: Sendable {
  /// Every character of the class is a match of its own.
  case characters(CharacterClass)
  case literal([UInt8])
  /// `\w+|[^\w\s]+`
  case wordsAndSymbols
  case words(WordPattern)
  /// Runs of characters of a set, of at most so many.
  case runs(RunSet, maximum: Int)
  case expression(RegularExpression)
  /// Pieces of this many scalars, the last one shorter.
  case length(Int)
}

extension SplitPattern {
  enum RunSet: Sendable {
    case of(CharacterClass)
    /// Han and kana: `[一-龥぀-ゟ゠-ヿ]`
    case hanAndKana

    @inline(__always)
    func contains(_ scalar: UInt32, _ classes: CharacterClasses) -> Bool {
      switch self {
      case .of(let wanted): classes[scalar].contains(wanted)
      case .hanAndKana: (0x4E00...0x9FA5).contains(scalar) || (0x3040...0x30FF).contains(scalar)
      }
    }
  }

  /// The pattern for a regular expression that a scanner knows.
  init?(expression: String) {
    switch expression {
    case #"\p{N}{1,3}"#: self = .runs(.of(.number), maximum: 3)
    case #"\p{N}"#: self = .runs(.of(.number), maximum: 1)
    case "[一-龥぀-ゟ゠-ヿ]+": self = .runs(.hanAndKana, maximum: .max)
    default:
      guard let words = WordPattern(expression: expression) else { return nil }
      self = .words(words)
    }
  }
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
      forEachSpan(in: text, range) { start, end, _ in
        if start < end { pieces.append(start..<end) }
      }
    case .removed:
      forEachSpan(in: text, range) { start, end, isMatch in
        if isMatch == isInverted, start < end { pieces.append(start..<end) }
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
    var piece: Range<Int>?
    var previous: Span?
    for span in spans {
      if let last = previous, let open = piece, joins(last, span) {
        piece = open.lowerBound..<span.range.upperBound
      } else {
        if let piece, !piece.isEmpty { pieces.append(piece) }
        piece = span.range
      }
      previous = span
    }
    if let piece, !piece.isEmpty { pieces.append(piece) }
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

  /// Matches and what lies between them, from the left: start, end, whether it is a match. Only
  /// matches of an expression may be empty.
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
      var gap = range.lowerBound
      var start = gap
      while start < range.upperBound {
        let end = pattern.endOfWord(in: text, start..<range.upperBound, classes)
        if end == start {
          start += scalar(in: text, at: start).length
          continue
        }
        if gap < start { body(gap, start, false) }
        body(start, end, true)
        (gap, start) = (end, end)
      }
      if gap < range.upperBound { body(gap, range.upperBound, false) }
    case .runs(let set, let maximum): forEachRun(in: text, range, of: set, maximum, body)
    case .expression(let expression):
      var start = range.lowerBound
      expression.forEachMatch(in: text, range) { match in
        if start < match.lowerBound { body(start, match.lowerBound, false) }
        body(match.lowerBound, match.upperBound, true)
        start = match.upperBound
      }
      if start < range.upperBound { body(start, range.upperBound, false) }
    case .length(let count): forEachPiece(of: count, in: text, range, body)
    }
  }

  private func forEachRun(
    in text: [UInt8], _ range: Range<Int>, of set: SplitPattern.RunSet, _ maximum: Int,
    _ body: (Int, Int, Bool) -> Void
  ) {
    let classes = CharacterClasses.shared
    var gap = range.lowerBound
    var position = gap
    while position < range.upperBound {
      let start = position
      var count = 0
      var (value, length) = scalar(in: text, at: position)
      while count < maximum, set.contains(value, classes) {
        (count, position) = (count + 1, position + length)
        if position == range.upperBound { break }
        (value, length) = scalar(in: text, at: position)
      }
      if count == 0 {
        position += length
        continue
      }
      if gap < start { body(gap, start, false) }
      body(start, position, true)
      gap = position
    }
    if gap < range.upperBound { body(gap, range.upperBound, false) }
  }

  private func forEachPiece(
    of count: Int, in text: [UInt8], _ range: Range<Int>, _ body: (Int, Int, Bool) -> Void
  ) {
    var start = range.lowerBound
    while start < range.upperBound {
      var end = start
      for _ in 0..<count where end < range.upperBound { end += scalar(in: text, at: end).length }
      body(start, end, true)
      start = end
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
