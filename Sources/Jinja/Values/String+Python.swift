// Python's str methods on Unicode scalars. Swift's own work on grapheme clusters and canonical
// equivalence ("\r\n" is one Character, "é" equals "e\u{301}"), which templates must never see.

extension String {
  /// Byte offset of the first occurrence; searches in linear time whatever the texts are.
  func firstOffset(of part: String, from start: Int = 0) -> Int? {
    SubstringSearch(part).first(in: Array(utf8), from: start)
  }

  func replacingAll(_ old: String, with new: String, limit: Int?) -> String {
    let limit = limit.map { $0 < 0 ? Int.max : $0 } ?? Int.max
    if old.isEmpty {
      var result = String.UnicodeScalarView()
      var inserted = 0
      for scalar in unicodeScalars {
        if inserted < limit { result.append(contentsOf: new.unicodeScalars) }
        inserted += 1
        result.append(scalar)
      }
      if inserted < limit { result.append(contentsOf: new.unicodeScalars) }
      return String(result)
    }
    return splitting(by: old, limit: limit).joined(separator: new)
  }

  /// Pieces between occurrences of a separator that is not empty.
  func splitting(by separator: String, limit: Int) -> [String] {
    let bytes = Array(utf8)
    let search = SubstringSearch(separator)
    var pieces: [String] = []
    var start = 0
    while pieces.count < limit, let found = search.first(in: bytes, from: start) {
      pieces.append(String(decoding: bytes[start..<found], as: UTF8.self))
      start = found + separator.utf8.count
    }
    return pieces + [String(decoding: bytes[start...], as: UTF8.self)]
  }

  /// As `splitting`, but the limit counts from the end.
  func splittingFromEnd(by separator: String, limit: Int) -> [String] {
    // Occurrences must not overlap, seen from the end: search the reversed text.
    let pieces = reversedScalars.splitting(by: separator.reversedScalars, limit: limit)
    return pieces.reversed().map(\.reversedScalars)
  }

  var reversedScalars: String {
    var view = String.UnicodeScalarView()
    view.append(contentsOf: unicodeScalars.reversed())
    return String(view)
  }

  /// Words between runs of whitespace.
  func splittingWords(limit: Int) -> [String] {
    var words: [String] = []
    var rest = unicodeScalars[...].drop(while: \.isPythonWhitespace)
    while !rest.isEmpty {
      guard words.count < limit else { return words + [String(rest)] }
      let word = rest.prefix { !$0.isPythonWhitespace }
      words.append(String(word))
      rest = rest[word.endIndex...].drop(while: \.isPythonWhitespace)
    }
    return words
  }

  func splittingWordsFromEnd(limit: Int) -> [String] {
    reversedScalars.splittingWords(limit: limit).reversed().map(\.reversedScalars)
  }

  /// Lines by all of Python's line boundaries, the first few beyond a limit.
  func splittingLines(keepEnds: Bool, limit: Int) -> [String] {
    var lines: [String] = []
    var line = String.UnicodeScalarView()
    var scalars = unicodeScalars.makeIterator()
    var next = scalars.next()
    while let scalar = next, lines.count <= limit {
      next = scalars.next()
      guard scalar.isLineBoundary else {
        line.append(scalar)
        continue
      }
      if keepEnds { line.append(scalar) }
      if scalar == "\r", next == "\n" {
        if keepEnds { line.append("\n") }
        next = scalars.next()
      }
      lines.append(String(line))
      line = String.UnicodeScalarView()
    }
    return line.isEmpty ? lines : lines + [String(line)]
  }

  /// Without the given characters, or whitespace, at its ends.
  func strippingScalars(
    _ characters: String? = nil, leading: Bool = true, trailing: Bool = true
  ) -> String {
    let set = characters.map { Set($0.unicodeScalars) }
    func isStripped(_ scalar: Unicode.Scalar) -> Bool {
      set?.contains(scalar) ?? scalar.isPythonWhitespace
    }
    var view = unicodeScalars[...]
    if leading { view = view.drop(while: isStripped) }
    if trailing {
      while let last = view.last, isStripped(last) { view.removeLast() }
    }
    return String(view)
  }

  func startsWithScalars(of prefix: String) -> Bool { utf8.starts(with: prefix.utf8) }

  func endsWithScalars(of suffix: String) -> Bool {
    utf8.count >= suffix.utf8.count
      && utf8.suffix(suffix.utf8.count).elementsEqual(suffix.utf8)
  }

  /// `str.capitalize`.
  var pythonCapitalized: String {
    guard let first = unicodeScalars.first else { return "" }
    return first.properties.titlecaseMapping + String(unicodeScalars.dropFirst()).lowercased()
  }

  /// `str.title`: every run of cased letters starts with a capital.
  var pythonTitled: String {
    var result = ""
    var isInsideWord = false
    for scalar in unicodeScalars {
      let properties = scalar.properties
      result += isInsideWord ? properties.lowercaseMapping : properties.titlecaseMapping
      isInsideWord = properties.isCased
    }
    return result
  }

  var swappingCase: String {
    unicodeScalars.reduce(into: "") { result, scalar in
      let properties = scalar.properties
      result += properties.isUppercase ? properties.lowercaseMapping : properties.uppercaseMapping
    }
  }

  /// Padded with spaces or zeros to a number of scalars.
  func padded(to width: Int, with fill: Unicode.Scalar = " ", _ side: PaddingSide) -> String {
    let missing = width - unicodeScalars.count
    guard missing > 0 else { return self }
    let left =
      switch side {
      case .left: missing
      case .right: 0
      // As CPython's str.center, which puts the odd one by the parity of the width.
      case .both: missing / 2 + (missing & width & 1)
      }
    let fill = String(fill)
    return String(repeating: fill, count: left) + self
      + String(repeating: fill, count: missing - left)
  }

  enum PaddingSide { case left, right, both }
}

extension Unicode.Scalar {
  fileprivate var isLineBoundary: Bool {
    switch value {
    case 0x0A...0x0D, 0x1C...0x1E, 0x85, 0x2028, 0x2029: true
    default: false
    }
  }
}

/// Knuth, Morris and Pratt's search for one text in many.
struct SubstringSearch {
  private let pattern: [UInt8]
  /// How much of the pattern still matches when the byte behind its first n does not.
  private let fallback: [Int]

  init(_ text: String) {
    pattern = Array(text.utf8)
    var fallback = [0]
    var length = 0
    for index in pattern.indices.dropFirst() {
      while length > 0, pattern[index] != pattern[length] { length = fallback[length - 1] }
      if pattern[index] == pattern[length] { length += 1 }
      fallback.append(length)
    }
    self.fallback = fallback
  }

  func first(in bytes: [UInt8], from start: Int) -> Int? {
    guard !pattern.isEmpty else { return start <= bytes.count ? start : nil }
    guard start < bytes.count else { return nil }
    var length = 0
    for index in start..<bytes.count {
      while length > 0, bytes[index] != pattern[length] { length = fallback[length - 1] }
      if bytes[index] == pattern[length] { length += 1 }
      if length == pattern.count { return index - length + 1 }
    }
    return nil
  }
}
