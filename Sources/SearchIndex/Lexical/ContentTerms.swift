// The terms of a text that say what it is about: stemmed English words without stop words, numbers,
// and pairs of neighbouring ideographs. Two texts about the same thing share many of them, which is
// how citations are checked. Words of other languages are compared as they are written.

package enum ContentTerms {
  /// Each term once; empty where the text has stop words only.
  package static func of(_ text: String) -> Set<[UInt8]> {
    let bytes = Array(text.utf8)
    let stemmer = WordStemmer(language: "en")
    var terms: Set<[UInt8]> = []
    for piece in TextScanner.pieces(of: bytes) {
      switch piece {
      case .code: break  // its words follow
      case .word(let range):
        let word = String(decoding: bytes[range], as: UTF8.self).lowercased()
        let term = stemmer.term(bytes[range])
        if !term.isEmpty, !EnglishStopWords.contains(word) { terms.insert(term) }
      case .ideographs(let range):
        terms.formUnion(pairs(String(decoding: bytes[range], as: UTF8.self)))
      }
    }
    return terms
  }

  /// Of a run of one character, the character itself.
  private static func pairs(_ run: String) -> [[UInt8]] {
    let characters = run.unicodeScalars.map { Array(String($0).utf8) }
    guard characters.count > 1 else { return characters }
    return zip(characters, characters.dropFirst()).map { $0 + $1 }
  }
}
