// Chunks of so many tokens of the embedding model, cut where one token ends and the next begins. The
// model's tokenizer only counts; a place is a border of tokens where what is before and behind it
// have as many tokens apart as together. Those are looked for between words, and between characters
// in scripts without spaces; only a word that is too long by itself is cut inside.

import SearchIndex

struct TokenChunker: Chunker {
  let size: Int
  let overlap: Int
  /// nil: every word counts as one token.
  let limit: TokenLimit?

  func chunks(of text: ScalarText) -> [Range<Int>] {
    // Tokens that every text gets around it.
    let special = limit?.count("") ?? 0
    let most = min(size, limit.map { max(1, $0.maximum - special) } ?? size)
    func count(_ range: Range<Int>) -> Int {
      limit.map { max(0, $0.count(text.string(range)) - special) } ?? 1
    }
    let units = TokenUnits(text, count: count, most: most).units
    var chunks: [Range<Int>] = []
    var first = 0
    while first < units.count {
      var end = first + 1
      var total = units[first].tokens
      while end < units.count, total + units[end].tokens <= most {
        total += units[end].tokens
        end += 1
      }
      // Where pieces don't add up after all, it is the whole that counts.
      while end > first + 1, count(join(units, first, end)) > most { end -= 1 }
      let chunk = text.trimmed(join(units, first, end))
      if !chunk.isEmpty { chunks.append(chunk) }
      guard end < units.count else { break }
      var (start, shared) = (end, 0)
      while start - 1 > first, shared + units[start - 1].tokens <= overlap,
        shared + units[start - 1].tokens + units[end].tokens <= most,
        count(join(units, start - 1, end + 1)) <= most
      {
        start -= 1
        shared += units[start].tokens
      }
      first = start
    }
    return chunks
  }

  private func join(_ units: [TokenUnits.Unit], _ first: Int, _ end: Int) -> Range<Int> {
    units[first].range.lowerBound..<units[end - 1].range.upperBound
  }
}

/// A text as pieces with their numbers of tokens, which add up.
private struct TokenUnits {
  struct Unit {
    var range: Range<Int>
    var tokens: Int
  }

  private(set) var units: [Unit] = []
  private let text: ScalarText
  private let count: (Range<Int>) -> Int
  private let most: Int

  /// Runs without spaces are looked at in parts of so many characters.
  private static let windowCount = 48

  init(_ text: ScalarText, count: @escaping (Range<Int>) -> Int, most: Int) {
    self.text = text
    self.count = count
    self.most = most
    var start = 0
    while start < text.count {
      // White space goes with the word behind it, as most vocabularies have it.
      let word = text.scalars[start...].firstIndex { !$0.isTrimmed } ?? text.count
      guard word < text.count else { break }
      let end = text.scalars[word...].firstIndex(where: \.isTrimmed) ?? text.count
      append(word: start..<end)
      start = end
    }
  }

  private mutating func append(word: Range<Int>) {
    let tokens = count(word)
    if tokens <= 1 || tokens <= most && !word.contains(where: isIdeograph) {
      units.append(Unit(range: word, tokens: tokens))
      return
    }
    var start = word.lowerBound
    while start < word.upperBound {
      start = appendWindow(start..<min(word.upperBound, start + Self.windowCount), of: word)
    }
  }

  /// Cuts a part of a long run; where the next part begins.
  private mutating func appendWindow(_ window: Range<Int>, of word: Range<Int>) -> Int {
    let whole = count(window)
    var start = window.lowerBound
    for border in window.dropFirst() where start < border {
      let isPossible = isIdeograph(border - 1) || isIdeograph(border) || whole > most
      guard isPossible, isCharacterStart(border), !text.trimmed(start..<border).isEmpty,
        count(window.lowerBound..<border) + count(border..<window.upperBound) == whole
      else { continue }
      append(rest: start..<border)
      start = border
    }
    // The last piece may go on in the next window, unless nothing was found in this one.
    if window.upperBound < word.upperBound, start > window.lowerBound { return start }
    append(rest: start..<window.upperBound)
    return window.upperBound
  }

  /// A piece without borders inside; halved as long as it is too large for a chunk.
  private mutating func append(rest: Range<Int>) {
    let tokens = count(rest)
    guard tokens > most, rest.count > 1 else {
      if !rest.isEmpty { units.append(Unit(range: rest, tokens: tokens)) }
      return
    }
    let middle = rest.lowerBound + rest.count / 2
    append(rest: rest.lowerBound..<middle)
    append(rest: middle..<rest.upperBound)
  }

  private func isIdeograph(_ index: Int) -> Bool { TextScanner.isIdeographic(text.scalars[index]) }

  /// Not before a mark or joiner that belongs to what is before it.
  private func isCharacterStart(_ index: Int) -> Bool {
    let scalar = text.scalars[index]
    if scalar == "\u{200D}" || text.scalars[index - 1] == "\u{200D}" { return false }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark: return false
    default: return true
    }
  }
}
