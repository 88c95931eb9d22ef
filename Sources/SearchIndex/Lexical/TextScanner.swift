// Cuts UTF-8 text into what an index and a query are made of: words, runs of ideographs (Chinese,
// Japanese and Korean are cut further, into pairs), and codes: words joined by a dot, hyphen or the
// like that have a digit, such as 3.14, GPT-4 or 2026-11-25. A code is followed by its own words.
// Relies on the text being valid UTF-8 (it comes from String); ignores everything else in it.

package struct TextScanner {
  enum Piece: Hashable {
    case word(Range<Int>)
    case ideographs(Range<Int>)
    case code(Range<Int>)
  }

  private let text: UnsafeBufferPointer<UInt8>
  private var index = 0

  init(_ text: UnsafeBufferPointer<UInt8>) { self.text = text }

  static func pieces(of text: [UInt8]) -> [Piece] {
    var pieces: [Piece] = []
    text.withUnsafeBufferPointer { text in
      var scanner = TextScanner(text)
      scanner.scan { pieces.append($0) }
    }
    return pieces
  }

  mutating func scan(_ take: (Piece) -> Void) {
    while index < text.count {
      switch kind(at: index) {
      case (.word, _): takeWords(take)
      case (.ideograph, let length):
        let start = index
        index += length
        while index < text.count, case (.ideograph, let length) = kind(at: index) {
          index += length
        }
        take(.ideographs(start..<index))
      case (.other, let length): index += length
      }
    }
  }

  /// A word, or several with single connectors between them.
  private mutating func takeWords(_ take: (Piece) -> Void) {
    let start = index
    var hasDigit = false
    var words = [takeWord(&hasDigit)]
    while index + 1 < text.count, Self.isConnector(text[index]),
      case (.word, _) = kind(at: index + 1)
    {
      index += 1
      words.append(takeWord(&hasDigit))
    }
    if words.count > 1, hasDigit { take(.code(start..<index)) }
    for word in words { take(.word(word)) }
  }

  private mutating func takeWord(_ hasDigit: inout Bool) -> Range<Int> {
    let start = index
    while index < text.count, case (.word, let length) = kind(at: index) {
      if text[index].isASCIIDigit { hasDigit = true }
      index += length
    }
    return start..<index
  }

  // MARK: Characters

  private enum Kind { case word, ideograph, other }

  /// What the character at `index` is, and its length in bytes.
  @inline(__always)
  private func kind(at index: Int) -> (Kind, Int) {
    let byte = text[index]
    if byte < 0x80 { return (byte.isASCIILetter || byte.isASCIIDigit ? .word : .other, 1) }
    return Self.kind(of: scalar(at: index))
  }

  private func scalar(at index: Int) -> Unicode.Scalar {
    var decoder = Unicode.UTF8.ForwardParser()
    var bytes = text[index..<min(index + 4, text.count)].makeIterator()
    guard case .valid(let encoded) = decoder.parseScalar(from: &bytes) else { return "\u{FFFD}" }
    return Unicode.UTF8.decode(encoded)
  }

  private static func kind(of scalar: Unicode.Scalar) -> (Kind, Int) {
    let length = UTF8.width(scalar)
    if isIdeographic(scalar) { return (.ideograph, length) }
    return (isPartOfWord(scalar) ? .word : .other, length)
  }

  private static func isConnector(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "."), UInt8(ascii: ","), UInt8(ascii: "-"), UInt8(ascii: "_"),
      UInt8(ascii: "/"), UInt8(ascii: ":"):
      true
    default: false
    }
  }

  /// Characters of scripts that are written without spaces, or, Korean, with long words: Han,
  /// kana and Hangul.
  package static func isIdeographic(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF, 0x2_0000...0x3_FFFD: true
    case 0x3005...0x3007, 0x3041...0x3096, 0x309D...0x309F: true
    case 0x30A1...0x30FA, 0x30FC...0x30FF, 0x31F0...0x31FF, 0xFF66...0xFF9F: true
    case 0x1100...0x11FF, 0x3131...0x318E, 0xA960...0xA97F, 0xAC00...0xD7FB: true
    default: false
    }
  }

  /// Letters, numbers, private use, and the marks that follow them.
  private static func isPartOfWord(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
    case .decimalNumber, .letterNumber, .otherNumber, .privateUse: true
    case .nonspacingMark, .spacingMark, .enclosingMark: true
    default: false
    }
  }
}

extension UInt8 {
  var isASCIILetter: Bool { (0x61...0x7A).contains(self | 0x20) }
  var isASCIIDigit: Bool { (0x30...0x39).contains(self) }
}
