// BERT's text cleaning, in its order: control characters out and white space to blanks, blanks around
// Chinese characters, accents off (by default when lower-casing), lower case.

struct BertNormalizer: Sendable {
  private let cleansText: Bool
  private let separatesChinese: Bool
  private let stripsAccents: Bool
  private let lowercases: Bool

  init(_ node: ConfigurationNode) throws(TokenizerError) {
    try node.allow(["type", "clean_text", "handle_chinese_chars", "strip_accents", "lowercase"])
    cleansText = try node.required("clean_text").bool()
    separatesChinese = try node.required("handle_chinese_chars").bool()
    lowercases = try node.required("lowercase").bool()
    stripsAccents = try node.optional("strip_accents")?.bool() ?? lowercases
  }

  func apply(to text: inout NormalizedText) {
    if text.bytes.isASCII { return applyToASCII(&text) }
    if cleansText || separatesChinese { cleanAndSeparate(&text) }
    if stripsAccents {
      text.bytes = UnicodeNormalization.shared.normalize(text.bytes, to: .nfd)
      text.remove(.nonspacingMark)
    }
    if lowercases { text.bytes = UnicodeNormalization.shared.lowercased(text.bytes) }
  }

  private func applyToASCII(_ text: inout NormalizedText) {
    var result: [UInt8] = []
    result.reserveCapacity(text.bytes.count)
    for byte in text.bytes {
      var byte = byte
      if cleansText {
        if byte == 0x09 || byte == 0x0A || byte == 0x0D {
          byte = 0x20
        } else if byte < 0x20 || byte == 0x7F {
          if result.isEmpty { text.startsInput = false }
          continue
        }
      }
      if lowercases, byte >= 0x41, byte <= 0x5A { byte += 0x20 }
      result.append(byte)
    }
    text.bytes = result
  }

  private func cleanAndSeparate(_ text: inout NormalizedText) {
    let classes = CharacterClasses.shared
    var result: [UInt8] = []
    result.reserveCapacity(text.bytes.count + text.bytes.count / 2)
    var index = 0
    while index < text.bytes.count {
      let (value, length) = scalar(in: text.bytes, at: index)
      let characterClass = cleansText ? classes[value] : []
      if characterClass.contains(.removedByCleaning) {
        if result.isEmpty { text.startsInput = false }
      } else if characterClass.contains(.whiteSpace) {
        result.append(0x20)
      } else if separatesChinese, Self.isChinese(value) {
        result.append(0x20)
        result += text.bytes[index..<index + length]
        result.append(0x20)
      } else {
        result += text.bytes[index..<index + length]
      }
      index += length
    }
    text.bytes = result
  }

  /// The blocks that the reference implementation lists, its gap at U+2B820 included
  /// (huggingface/tokenizers, normalizers/bert.rs).
  private static func isChinese(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F,
      0x2B740...0x2B81F, 0x2B920...0x2CEAF, 0xF900...0xFAFF, 0x2F800...0x2FA1F:
      true
    default: false
    }
  }
}
