// The regular expressions that byte-level tokenizers split with, as hand-written scanners. Each
// pattern matches everywhere, so a scanner only has to say where the word that begins here ends. Other
// expressions are unknown here.

enum WordPattern: Sendable {
  /// GPT-2's.
  case gpt2
  /// Those that follow OpenAI's cl100k: Llama-3 takes three digits at a time, Qwen2 one.
  case cl100k(maximumDigits: Int)

  /// The scanner for a regular expression, nil where there is none.
  init?(expression: String) {
    switch expression {
    case #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#:
      self = .gpt2
    case Self.cl100kExpression(digits: #"\p{N}{1,3}"#): self = .cl100k(maximumDigits: 3)
    case Self.cl100kExpression(digits: #"\p{N}"#): self = .cl100k(maximumDigits: 1)
    default: return nil
    }
  }

  private static func cl100kExpression(digits: String) -> String {
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"# + digits
      + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  }

  /// Where the word that begins at `range.lowerBound` ends; `range` is not empty.
  @inline(__always)
  func endOfWord(in text: [UInt8], _ range: Range<Int>, _ classes: CharacterClasses) -> Int {
    let scanner = WordScanner(text: text, end: range.upperBound, classes: classes)
    switch self {
    case .gpt2: return scanner.endOfGPT2Word(at: range.lowerBound)
    case .cl100k(let digits):
      return scanner.endOfCL100KWord(at: range.lowerBound, maximumDigits: digits)
    }
  }
}

private struct WordScanner {
  let text: [UInt8]
  let end: Int
  let classes: CharacterClasses

  // MARK: - Patterns

  /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
  func endOfGPT2Word(at start: Int) -> Int {
    if let end = endOfContraction(at: start, ignoringCase: false) { return end }
    var kind = kind(at: start)
    var position = start
    if text[start] == 0x20, start + 1 < end {
      kind = self.kind(at: start + 1)
      position += 1
    }
    return kind == .space
      ? endOfSpaces(at: start) : endOfRun(of: kind, at: position, maximum: .max)
  }

  /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*`
  /// `|\s*[\r\n]+|\s+(?!\S)|\s+`
  func endOfCL100KWord(at start: Int, maximumDigits: Int) -> Int {
    if let end = endOfContraction(at: start, ignoringCase: true) { return end }
    let (first, length) = scalar(in: text, at: start)
    let kind = kind(of: first)
    if kind == .letter { return endOfRun(of: .letter, at: start, maximum: .max) }
    if kind == .number { return endOfRun(of: .number, at: start, maximum: maximumDigits) }
    let next = start + length
    let nextKind = next < end ? self.kind(at: next) : nil
    if nextKind == .letter, !isNewline(text[start]) {
      return endOfRun(of: .letter, at: next, maximum: .max)
    }
    if kind == .other || first == 0x20 && nextKind == .other {
      var position = endOfRun(of: .other, at: kind == .other ? start : next, maximum: .max)
      while position < end, isNewline(text[position]) { position += 1 }
      return position
    }
    return endOfLines(at: start) ?? endOfSpaces(at: start)
  }

  // MARK: - Parts

  private enum Kind { case letter, number, space, other }

  @inline(__always)
  private func kind(of scalar: UInt32) -> Kind {
    let characterClass = classes[scalar]
    if characterClass.contains(.letter) { return .letter }
    if characterClass.contains(.number) { return .number }
    return characterClass.contains(.space) ? .space : .other
  }

  @inline(__always)
  private func kind(at index: Int) -> Kind { kind(of: scalar(in: text, at: index).value) }

  private func isNewline(_ byte: UInt8) -> Bool { byte == 0x0A || byte == 0x0D }

  /// The end of at most `maximum` scalars of one kind.
  private func endOfRun(of kind: Kind, at start: Int, maximum: Int) -> Int {
    var position = start
    var count = 0
    while position < end, count < maximum {
      let (value, length) = scalar(in: text, at: position)
      if self.kind(of: value) != kind { break }
      position += length
      count += 1
    }
    return position
  }

  /// `\s*[\r\n]+`: white space up to and with its last newline.
  private func endOfLines(at start: Int) -> Int? {
    var lastNewline: Int?
    var position = start
    while position < end {
      let (value, length) = scalar(in: text, at: position)
      if kind(of: value) != .space { break }
      if isNewline(text[position]) { lastNewline = position }
      position += length
    }
    return lastNewline.map { $0 + 1 }
  }

  /// `\s+(?!\S)|\s+`: white space, its last scalar left to a word that follows.
  private func endOfSpaces(at start: Int) -> Int {
    var position = start
    var last = start
    while position < end {
      let (value, length) = scalar(in: text, at: position)
      if kind(of: value) != .space { break }
      last = position
      position += length
    }
    return position == end || last == start ? position : last
  }

  /// An apostrophe and s, t, re, ve, m, ll or d.
  private func endOfContraction(at start: Int, ignoringCase: Bool) -> Int? {
    guard text[start] == 0x27, start + 1 < end else { return nil }
    // U+017F, the long s, is an s to a search that ignores case.
    if ignoringCase, start + 2 < end, text[start + 1] == 0xC5, text[start + 2] == 0xBF {
      return start + 3
    }
    let lower: UInt8 = ignoringCase ? 0x20 : 0
    switch text[start + 1] | lower {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"):
      return start + 2
    case UInt8(ascii: "r"), UInt8(ascii: "v"):
      return start + 2 < end && text[start + 2] | lower == UInt8(ascii: "e") ? start + 3 : nil
    case UInt8(ascii: "l"):
      return start + 2 < end && text[start + 2] | lower == UInt8(ascii: "l") ? start + 3 : nil
    default: return nil
    }
  }
}
