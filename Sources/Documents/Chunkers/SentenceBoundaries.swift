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
    var start = 0
    var position = 0
    while position < scalars.count {
      guard let end = boundary(at: position, sentenceStart: start) else {
        position += 1
        continue
      }
      let next = skipWhitespace(from: end)
      sentences.append(start..<next)
      start = next
      position = next
    }
    if start < scalars.count { sentences.append(start..<scalars.count) }
    return sentences
  }

  /// The end of the sentence that the scalar at `position` ends, quotes included.
  private func boundary(at position: Int, sentenceStart: Int) -> Int? {
    switch scalars[position] {
    case "。", "！", "？", "；", "｡", "．":
      return skipClosers(from: skipTerminators(from: position + 1), sentenceStart)
    case "…":
      let end = skipClosers(from: skipTerminators(from: position + 1), sentenceStart)
      // Chinese writes no space after it; English does, and goes on in lower case.
      return follows(end, with: { TextScanner.isIdeographic($0) }) || endsWord(at: end)
        ? end : nil
    case "!", "?":
      let end = skipClosers(from: skipTerminators(from: position + 1), sentenceStart)
      return endsWord(at: end) ? end : nil
    case ".":
      let end = skipClosers(from: skipTerminators(from: position + 1), sentenceStart)
      return endsWord(at: end) && !isAbbreviation(dot: position, end, sentenceStart) ? end : nil
    case "\n", "\r", "\u{2028}", "\u{2029}":
      return endsLine(at: position) ? position : nil
    default:
      return nil
    }
  }

  // MARK: Looking ahead

  private func skipTerminators(from start: Int) -> Int {
    var position = start
    while position < scalars.count, Self.terminators.contains(scalars[position]) { position += 1 }
    return position
  }

  /// Past closing quotes and brackets; a straight quote closes only if one is open.
  private func skipClosers(from start: Int, _ sentenceStart: Int) -> Int {
    var position = start
    while position < scalars.count {
      let scalar = scalars[position]
      if scalar == "\"" || scalar == "'" {
        let count = scalars[sentenceStart..<position].count { $0 == scalar }
        guard count % 2 == 1 else { break }
      } else if !Self.closers.contains(scalar) {
        break
      }
      position += 1
    }
    return position
  }

  private func skipWhitespace(from start: Int) -> Int {
    var position = start
    while position < scalars.count, scalars[position].isTrimmed { position += 1 }
    return position
  }

  private func follows(_ position: Int, with test: (Unicode.Scalar) -> Bool) -> Bool {
    position < scalars.count && test(scalars[position])
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
