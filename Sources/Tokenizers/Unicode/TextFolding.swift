// Words as they are compared where accents and presentation don't matter: compatibility forms taken
// apart (full-width letters, ligatures), the accents of Latin, Greek and Cyrillic letters left out.
// Marks of other scripts stay: there they are vowels.

package enum TextFolding {
  /// - Parameter text: UTF-8.
  package static func folded(_ text: [UInt8]) -> [UInt8] {
    let apart = UnicodeNormalization.shared.normalize(text, to: .nfkd)
    // U+0300...U+036F are CC 80...CC BF and CD 80...CD AF.
    guard apart.contains(where: { $0 == 0xCC || $0 == 0xCD }) else { return apart }
    var folded: [UInt8] = []
    var index = 0
    while index < apart.count {
      let (value, length) = scalar(in: apart, at: index)
      if !(0x300...0x36F).contains(value) { folded += apart[index..<index + length] }
      index += length
    }
    return folded
  }
}
