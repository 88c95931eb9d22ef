// U+2581, what SentencePiece writes for a blank.

enum VisibleBlank {
  static let bytes: [UInt8] = [0xE2, 0x96, 0x81]

  @inline(__always)
  static func begins(at index: Int, in text: [UInt8]) -> Bool {
    text[index] == 0xE2 && index + 2 < text.count && text[index + 1] == 0x96
      && text[index + 2] == 0x81
  }

  /// Whether one comes after something else within `text[range]`.
  static func followsAnother(in text: [UInt8], _ range: Range<Int>) -> Bool {
    var index = range.lowerBound
    var afterBlank = true
    while index < range.upperBound {
      let isBlank = begins(at: index, in: text)
      if isBlank, !afterBlank { return true }
      afterBlank = isBlank
      index += isBlank ? bytes.count : 1
    }
    return false
  }
}
