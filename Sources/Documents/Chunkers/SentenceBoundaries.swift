// Where sentences end in English and Chinese text: after . ! ? … with closing quotes and white space
// behind them (not after "Dr.", "J.", "3." at the start of a line, nor before a lower-case letter),
// after 。！？；… directly, and at line ends that don't run on into a lower-case word.
// Every scalar belongs to exactly one sentence, white space to the one before it.

import SearchIndex

struct SentenceBoundaries {
  private let scalars: [Unicode.Scalar]

  init(_ text: ScalarText) { scalars = text.scalars }

  func sentences() -> [Range<Int>] {
    var sentences: [Range<Int>] = []
    var scan = Scan(start: 0)
    var position = 0
    while position < scalars.count {
      guard let end = boundary(at: position, &scan) else {
        scan.pass(scalars[position])
        position += 1
        continue
      }
      let next = skipWhitespace(from: end)
      sentences.append(scan.start..<next)
      scan = Scan(start: next)
      position = next
    }
    if scan.start < scalars.count { sentences.append(scan.start..<scalars.count) }
    return sentences
  }

  /// What is known of a sentence up to where it is looked at. Without it, each scalar of a long run
  /// would be the beginning of another look at the whole run, or at the whole sentence.
  private struct Scan {
    let start: Int
    /// Straight quotes that are open.
    var quotes: Set<Unicode.Scalar> = []
    /// Where the last run of terminators ends, and where the closers behind it do.
    var terminators = 0
    var closers = 0
    /// Where a look beyond closers began last, and whether a word ends there.
    var wordEnd: (position: Int, isOne: Bool)?
    /// Line ends before here don't end the sentence.
    var unbroken = 0

    mutating func pass(_ scalar: Unicode.Scalar) {
      guard scalar == "\"" || scalar == "'" else { return }
      if quotes.remove(scalar) == nil { quotes.insert(scalar) }
    }
  }

  /// The end of the sentence that the scalar at `position` ends, quotes included.
  private func boundary(at position: Int, _ scan: inout Scan) -> Int? {
    switch scalars[position] {
    case "。", "！", "？", "；", "｡", "．":
      return closed(position, &scan)
    case "…":
      let end = closed(position, &scan)
      // Chinese writes no space after it; English does, and goes on in lower case.
      return follows(end, with: { TextScanner.isIdeographic($0) }) || endsWord(at: end, &scan)
        ? end : nil
    case "!", "?":
      let end = closed(position, &scan)
      return endsWord(at: end, &scan) ? end : nil
    case ".":
      let end = closed(position, &scan)
      return endsWord(at: end, &scan) && !isAbbreviation(dot: position, end, scan.start) ? end : nil
    case "\n", "\r", "\u{2028}", "\u{2029}":
      guard position >= scan.unbroken else { return nil }
      if endsLine(at: position) { return position }
      scan.unbroken = skipWhitespace(from: position)
      return nil
    default:
      return nil
    }
  }

  // MARK: Looking ahead

  /// Past a run of terminators, closing quotes and brackets; a straight quote closes only if one is
  /// open.
  private func closed(_ position: Int, _ scan: inout Scan) -> Int {
    if position < scan.terminators { return scan.closers }
    var end = position + 1
    while end < scalars.count, Self.terminators.contains(scalars[end]) { end += 1 }
    scan.terminators = end
    var quotes = scan.quotes
    while end < scalars.count {
      let scalar = scalars[end]
      guard Self.closers.contains(scalar) || quotes.remove(scalar) != nil else { break }
      end += 1
    }
    scan.closers = end
    return end
  }

  private func skipWhitespace(from start: Int) -> Int {
    var position = start
    while position < scalars.count, scalars[position].isTrimmed { position += 1 }
    return position
  }

  private func follows(_ position: Int, with test: (Unicode.Scalar) -> Bool) -> Bool {
    position < scalars.count && test(scalars[position])
  }

  private func endsWord(at end: Int, _ scan: inout Scan) -> Bool {
    if let known = scan.wordEnd, known.position == end { return known.isOne }
    let isOne = endsWord(at: end)
    scan.wordEnd = (end, isOne)
    return isOne
  }

  /// The text ends here, or white space follows and then no lower-case letter.
  private func endsWord(at end: Int) -> Bool {
    guard end < scalars.count else { return true }
    if TextScanner.isIdeographic(scalars[end]) { return true }
    guard scalars[end].isTrimmed else { return false }
    return !follows(skipWhitespace(from: end)) { $0.properties.isLowercase }
  }

  /// A blank line always ends a sentence; a single line end does unless the sentence runs on.
  private func endsLine(at position: Int) -> Bool {
    let next = skipWhitespace(from: position)
    guard next < scalars.count else { return true }
    // CR LF is one line end.
    let lineEnds = scalars[position..<next].count { $0 == "\n" || $0 == "\u{2029}" }
    return lineEnds > 1 || !scalars[next].properties.isLowercase
  }

  // MARK: Looking back

  /// The dot belongs to an abbreviation, an initial or a list's number rather than ends a sentence.
  private func isAbbreviation(dot: Int, _ end: Int, _ sentenceStart: Int) -> Bool {
    guard end == dot + 1, end < scalars.count else { return false }
    var start = dot
    while start > sentenceStart, scalars[start - 1].properties.isAlphabetic { start -= 1 }
    let word = String(String.UnicodeScalarView(scalars[start..<dot])).lowercased()
    if word.isEmpty { return isListNumber(dot: dot, sentenceStart) }
    if scalars[start].properties.isUppercase, dot - start == 1, word != "i" { return true }
    if Self.abbreviations.contains(word) { return true }
    let nextIsDigit = follows(skipWhitespace(from: end)) { $0.properties.numericType != nil }
    return nextIsDigit && Self.abbreviationsBeforeNumbers.contains(word)
  }

  private func isListNumber(dot: Int, _ sentenceStart: Int) -> Bool {
    let before = scalars[sentenceStart..<dot]
    return !before.isEmpty && before.count <= 3
      && before.allSatisfy { $0.properties.numericType != nil }
  }

  private static let terminators: Set<Unicode.Scalar> = [
    ".", "!", "?", "…", "。", "！", "？", "；", "｡", "．",
  ]

  private static let closers: Set<Unicode.Scalar> = [
    ")", "]", "}", "”", "’", "»", "›", "」", "』", "）", "》", "〉", "】", "］", "｝", "〕", "＂", "＇",
  ]

  /// Followed by a name or more of the sentence, whatever its case.
  private static let abbreviations: Set<String> = [
    "mr", "mrs", "ms", "dr", "prof", "st", "gen", "col", "capt", "lt", "sgt", "rev", "hon", "gov",
    "sen", "rep", "pres", "messrs", "mme", "vs", "eg", "ie", "cf", "viz", "al", "approx", "ca",
    "dept", "univ", "assn", "figs", "eqs", "esp", "resp",
  ]

  private static let abbreviationsBeforeNumbers: Set<String> = [
    "no", "nos", "p", "pp", "vol", "vols", "ch", "chap", "sec", "art", "fig", "eq", "ed", "rev",
    "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec",
  ]
}
