// Texts cut the way each metric's reference implementation cuts them: SQuAD's normalisation, CMRC
// 2018's mixed segmentation (characters for Chinese), rouge-score's words, sacrebleu's 13a and zh.

import SearchIndex

/// How answers are cut.
package enum AnswerUnit: String, Sendable, CaseIterable {
  /// Words between white space, as for English.
  case words
  /// Ideographs one by one, words of other scripts whole, as for Chinese.
  case characters

  /// Characters where one of the texts has an ideograph.
  package init(of texts: [String]) {
    let hasIdeograph = texts.contains {
      $0.unicodeScalars.contains(where: TextScanner.isIdeographic)
    }
    self = hasIdeograph ? .characters : .words
  }
}

enum AnswerTokens {
  /// What exact match and F1 compare.
  static func compared(_ text: String, _ unit: AnswerUnit) -> [String] {
    switch unit {
    case .words: squad(text)
    case .characters: mixed(text)
    }
  }

  /// SQuAD's evaluate-v2.0.py: lower case, ASCII punctuation and articles taken out, split at white
  /// space.
  static func squad(_ text: String) -> [String] {
    let kept = text.lowercased().unicodeScalars.filter { !isASCIIPunctuation($0) }
    var cleaned = ""
    var word = ""
    func endWord() {
      cleaned += ["a", "an", "the"].contains(word) ? " " : word
      word = ""
    }
    for scalar in kept {
      if isWordCharacter(scalar) {
        word.unicodeScalars.append(scalar)
      } else {
        endWord()
        cleaned.unicodeScalars.append(scalar)
      }
    }
    endWord()
    return cleaned.split(whereSeparator: \.isWhitespace).map(String.init)
  }

  /// CMRC 2018's mixed segmentation: lower case, its list of punctuation taken out, ideographs one by
  /// one; what is between them is split at white space.
  static func mixed(_ text: String) -> [String] {
    var tokens: [String] = []
    var run = ""
    func endRun() {
      tokens += run.split(whereSeparator: \.isWhitespace).map(String.init)
      run = ""
    }
    for scalar in text.lowercased().unicodeScalars where !mixedPunctuation.contains(scalar) {
      if (0x4E00...0x9FA5).contains(scalar.value) {
        endRun()
        tokens.append(String(scalar))
      } else {
        run.unicodeScalars.append(scalar)
      }
    }
    endRun()
    return tokens
  }

  /// rouge-score's default tokenizer without stemming; ideographs one by one, which it would drop.
  static func rouge(_ text: String) -> [String] {
    var tokens: [String] = []
    var word = ""
    for scalar in text.lowercased().unicodeScalars {
      if scalar.isASCII, isWordCharacter(scalar) {
        word.unicodeScalars.append(scalar)
        continue
      }
      if !word.isEmpty { tokens.append(word) }
      word = ""
      if TextScanner.isIdeographic(scalar) { tokens.append(String(scalar)) }
    }
    return word.isEmpty ? tokens : tokens + [word]
  }

  // MARK: - sacrebleu

  /// Its `13a` for words, its `zh` for characters.
  static func bleu(_ text: String, _ unit: AnswerUnit) -> [String] {
    switch unit {
    case .words:
      var line = text
      for (old, new) in [("<skipped>", ""), ("-\n", ""), ("\n", " ")] {
        line = line.split(separator: old, omittingEmptySubsequences: false).joined(separator: new)
      }
      for (old, new) in [("&quot;", "\""), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")] {
        line = line.split(separator: old, omittingEmptySubsequences: false).joined(separator: new)
      }
      return separated(Array(" \(line) ".unicodeScalars))
    case .characters:
      var line: [Unicode.Scalar] = []
      for scalar in text.unicodeScalars {
        line +=
          bleuIdeographs.contains { $0.contains(scalar.value) } ? [" ", scalar, " "] : [scalar]
      }
      return separated(line)
    }
  }

  /// sacrebleu's TokenizerRegexp: its four replacements in order, each from left to right.
  private static func separated(_ line: [Unicode.Scalar]) -> [String] {
    var line = line.flatMap { (scalar) -> [Unicode.Scalar] in
      isSeparate(scalar) ? [" ", scalar, " "] : [scalar]
    }
    line = replacingPairs(line, where: { !isDigit($0) && isStop($1) }, by: { [$0, " ", $1, " "] })
    line = replacingPairs(line, where: { isStop($0) && !isDigit($1) }, by: { [" ", $0, " ", $1] })
    line = replacingPairs(line, where: { isDigit($0) && $1 == "-" }, by: { [$0, " ", $1, " "] })
    return String(String.UnicodeScalarView(line)).split(whereSeparator: \.isWhitespace)
      .map(String.init)
  }

  /// Replaces pairs that match and don't overlap.
  private static func replacingPairs(
    _ line: [Unicode.Scalar], where matches: (Unicode.Scalar, Unicode.Scalar) -> Bool,
    by replacement: (Unicode.Scalar, Unicode.Scalar) -> [Unicode.Scalar]
  ) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    var index = 0
    while index < line.count {
      if index + 1 < line.count, matches(line[index], line[index + 1]) {
        result += replacement(line[index], line[index + 1])
        index += 2
      } else {
        result.append(line[index])
        index += 1
      }
    }
    return result
  }

  // MARK: - Characters

  private static func isDigit(_ scalar: Unicode.Scalar) -> Bool { ("0"..."9").contains(scalar) }
  private static func isStop(_ scalar: Unicode.Scalar) -> Bool { scalar == "." || scalar == "," }

  private static func isSeparate(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "{"..."~", "["..."`", " "..."&", "("..."+", ":"..."@", "/": true
    default: false
    }
  }

  /// Python's string.punctuation.
  private static func isASCIIPunctuation(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "!"..."/", ":"..."@", "["..."`", "{"..."~": true
    default: false
    }
  }

  /// Python's \w without the underscore, which is punctuation above.
  private static func isWordCharacter(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter,
      .decimalNumber, .letterNumber, .otherNumber:
      true
    default: false
    }
  }

  private static let mixedPunctuation: Set<Unicode.Scalar> = Set(
    "-:_*^/\\~`+=，。：？！“”；’《》……·、「」（）－～『』".unicodeScalars)

  /// sacrebleu's ranges as it compares them: two of its bounds have five digits, which Python reads as
  /// a character and a digit.
  private static let bleuIdeographs: [ClosedRange<UInt32>] = [
    0x3400...0x4DB5, 0x4E00...0x9FA5, 0x9FA6...0x9FBB, 0xF900...0xFA2D, 0xFA30...0xFA6A,
    0xFA70...0xFAD9, 0x2001...0x2A6D, 0x2F81...0x2FA1, 0xFF00...0xFFEF, 0x2E80...0x2EFF,
    0x3000...0x303F, 0x31C0...0x31EF, 0x2F00...0x2FDF, 0x2FF0...0x2FFF, 0x3100...0x312F,
    0x31A0...0x31BF, 0xFE10...0xFE1F, 0xFE30...0xFE4F, 0x2600...0x26FF, 0x2700...0x27BF,
    0x3200...0x32FF, 0x3300...0x33FF,
  ]
}
