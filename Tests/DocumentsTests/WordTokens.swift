// A stand-in for an embedding model's tokenizer.

import Documents

extension TokenLimit {
  /// The limit of a model whose tokens are words, or single characters beyond Latin scripts, with two
  /// more around every text.
  static func words(maximum: Int) -> TokenLimit {
    TokenLimit(maximum: maximum) { text in
      let words = text.split { !$0.isLetter && !$0.isNumber }
      return words.reduce(2) { sum, word in
        sum + (word.unicodeScalars.allSatisfy { $0.value < 0x2000 } ? 1 : word.count)
      }
    }
  }
}
