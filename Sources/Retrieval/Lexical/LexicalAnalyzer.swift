// Cuts text for FTS5, whose own tokenizers take a run of Chinese, Japanese or Korean for one word.
// Such runs become overlapping pairs of characters, each run's last character also alone; all else
// passes to FTS5's unicode61 as it is, with full-width forms turned into ASCII.
// "训练模型v2" is indexed as "训练 练模 模型 型 v2".

enum LexicalAnalyzer {
  /// Raised whenever the same text is cut differently: indexes of another version are rebuilt.
  static let version = 1

  static func isEnglish(_ language: String) -> Bool {
    language.lowercased().split(separator: "-").first == "en"
  }

  /// The text as FTS5 is given it to index.
  static func indexedText(_ text: String) -> String {
    var output = ""
    output.reserveCapacity(text.utf8.count * 2)
    var run: [Unicode.Scalar] = []
    for scalar in text.unicodeScalars {
      if isIdeographic(scalar) {
        run.append(scalar)
      } else {
        appendPairs(of: &run, to: &output)
        // FTS5 sees C strings: U+0000 would end the text.
        output.unicodeScalars.append(scalar == "\0" ? " " : narrow(scalar))
      }
    }
    appendPairs(of: &run, to: &output)
    return output
  }

  private static func appendPairs(of run: inout [Unicode.Scalar], to output: inout String) {
    guard let last = run.last else { return }
    output += " "
    for (first, second) in zip(run, run.dropFirst()) {
      output.unicodeScalars.append(first)
      output.unicodeScalars.append(second)
      output += " "
    }
    output.unicodeScalars.append(last)
    output += " "
    run.removeAll(keepingCapacity: true)
  }

  /// Full-width ASCII (U+FF01...U+FF5E), common in Chinese and Japanese text, as ASCII.
  static func narrow(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
    guard (0xFF01...0xFF5E).contains(scalar.value) else { return scalar }
    return Unicode.Scalar(scalar.value - 0xFEE0) ?? scalar
  }

  /// Characters of scripts that are written without spaces, or, Korean, with long words: Han,
  /// kana and Hangul.
  static func isIdeographic(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF, 0x2_0000...0x3_FFFD: true
    case 0x3005...0x3007, 0x3041...0x3096, 0x309D...0x309F: true
    case 0x30A1...0x30FA, 0x30FC...0x30FF, 0x31F0...0x31FF, 0xFF66...0xFF9F: true
    case 0x1100...0x11FF, 0x3131...0x318E, 0xA960...0xA97F, 0xAC00...0xD7FB: true
    default: false
    }
  }
}
