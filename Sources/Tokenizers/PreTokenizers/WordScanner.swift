// Where a word ends, by the rules of each WordPattern: one function per pattern, over functions for the
// parts that patterns share. Alternatives are tried in the pattern's order.

struct WordScanner {
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

  /// The pattern of OpenAI's o200k and Mistral's Tekken:
  /// `[^\r\n\p{L}\p{N}]?U*W+(?i:'s|...)?|[^\r\n\p{L}\p{N}]?U+W*(?i:'s|...)?|\p{N}{1,3}`
  /// `| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`, U and W being `upper` and `lower`.
  func endOfO200KWord(at start: Int, maximumDigits: Int, takesContractions: Bool) -> Int {
    let (first, length) = scalar(in: text, at: start)
    let kind = kind(of: first)
    if kind == .number { return endOfRun(of: .number, at: start, maximum: maximumDigits) }
    let next = start + length
    let takesPrefix = kind != .letter && !isNewline(text[start]) && next < end
    let word =
      (takesPrefix ? endOfLowerWord(at: next) : nil) ?? endOfLowerWord(at: start)
      ?? (takesPrefix ? endOfUpperWord(at: next) : nil) ?? endOfUpperWord(at: start)
    if let word {
      guard takesContractions, word < end else { return word }
      return endOfContraction(at: word, ignoringCase: true) ?? word
    }
    if kind == .other || first == 0x20 && next < end && self.kind(at: next) == .other {
      var position = endOfRun(of: .other, at: kind == .other ? start : next, maximum: .max)
      while position < end, isNewline(text[position]) || text[position] == 0x2F { position += 1 }
      return position
    }
    return endOfLines(at: start) ?? endOfSpaces(at: start)
  }

  /// `U*W+`. Where no W follows the longest run of U, the run gives back all after its last W.
  private func endOfLowerWord(at start: Int) -> Int? {
    var position = start
    var lastLower: Int?
    while position < end {
      let (value, length) = scalar(in: text, at: position)
      let characterClass = classes[value]
      if !characterClass.contains(.upper) { break }
      position += length
      if characterClass.contains(.lower) { lastLower = position }
    }
    let word = endOfRun(in: .lower, at: position)
    return word > position ? word : lastLower
  }

  /// `U+W*`
  private func endOfUpperWord(at start: Int) -> Int? {
    let position = endOfRun(in: .upper, at: start)
    return position > start ? endOfRun(in: .lower, at: position) : nil
  }

  /// The third pattern of DeepSeek-V3, `start` itself where nothing matches:
  /// ``[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+``
  /// `| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
  func endOfDeepSeekWord(at start: Int) -> Int {
    let letters: CharacterClass = [.letter, .mark]
    let symbols: CharacterClass = [.punctuationMark, .symbol]
    let (first, length) = scalar(in: text, at: start)
    let firstClass = classes[first]
    let next = start + length
    let nextClass = next < end ? classes[scalar(in: text, at: next).value] : []
    if isASCIIPunctuation(first), next < end, isASCIILetter(text[next]) {
      var position = next + 1
      while position < end, isASCIILetter(text[position]) { position += 1 }
      return position
    }
    if !firstClass.isDisjoint(with: letters) { return endOfRun(in: letters, at: start) }
    if firstClass.isDisjoint(with: symbols), !isNewline(text[start]),
      !nextClass.isDisjoint(with: letters)
    {
      return endOfRun(in: letters, at: next)
    }
    let startsWithSymbol = !firstClass.isDisjoint(with: symbols)
    if startsWithSymbol || first == 0x20 && !nextClass.isDisjoint(with: symbols) {
      var position = endOfRun(in: symbols, at: startsWithSymbol ? start : next)
      while position < end, isNewline(text[position]) { position += 1 }
      return position
    }
    return firstClass.contains(.space) ? endOfLines(at: start) ?? endOfSpaces(at: start) : start
  }

  // MARK: - Parts

  private func isASCIILetter(_ byte: UInt8) -> Bool {
    (0x61...0x7A).contains(byte | 0x20)
  }

  private func isASCIIPunctuation(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: true
    default: false
    }
  }

  /// The end of the scalars that have one of some classes.
  private func endOfRun(in wanted: CharacterClass, at start: Int) -> Int {
    var position = start
    while position < end {
      let (value, length) = scalar(in: text, at: position)
      if classes[value].isDisjoint(with: wanted) { break }
      position += length
    }
    return position
  }

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
