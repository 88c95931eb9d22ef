// A word as it is looked up: in lower case, stemmed by the collection's language, without accents.
// Words with a digit are codes and numbers and keep their endings. Relies on libstemmer (Snowball);
// words of languages that it doesn't know stay unstemmed. Not for several threads at once.

import CStemmer
import Tokenizers

final class WordStemmer {
  /// Longer words are cut: they are data, and no one types them to the end.
  static let maximumByteCount = 64

  private let stemmer: OpaquePointer?

  /// - Parameter language: a tag such as "en" or "de-AT".
  init(language: String) {
    let primary = language.lowercased().prefix { $0 != "-" }
    stemmer = sb_stemmer_new(String(primary), nil)
  }

  deinit { sb_stemmer_delete(stemmer) }

  /// Empty where nothing of the word is left: an accent by itself.
  func term(_ word: some Sequence<UInt8>) -> [UInt8] {
    let bytes = lowercased(word)
    return folded(bytes.contains(where: \.isASCIIDigit) ? bytes : stem(bytes))
  }

  /// The same with its ending: what other words may begin with.
  func unstemmed(_ word: some Sequence<UInt8>) -> [UInt8] { folded(lowercased(word)) }

  private func folded(_ word: [UInt8]) -> [UInt8] {
    word.contains { $0 >= 0x80 } ? TextFolding.folded(word) : word
  }

  private func lowercased(_ word: some Sequence<UInt8>) -> [UInt8] {
    var bytes = Array(word)
    if bytes.contains(where: { $0 >= 0x80 }) {
      bytes = Array(String(decoding: bytes, as: UTF8.self).lowercased().utf8)
    } else {
      bytes = bytes.map { $0.isASCIILetter ? $0 | 0x20 : $0 }
    }
    return bytes.count > Self.maximumByteCount ? Self.cut(bytes) : bytes
  }

  private static func cut(_ word: [UInt8]) -> [UInt8] {
    var end = maximumByteCount
    while end > 0, word[end] & 0xC0 == 0x80 { end -= 1 }
    return Array(word[..<end])
  }

  private func stem(_ word: [UInt8]) -> [UInt8] {
    guard let stemmer, let stem = sb_stemmer_stem(stemmer, word, Int32(word.count)) else {
      return word
    }
    return Array(UnsafeBufferPointer(start: stem, count: Int(sb_stemmer_length(stemmer))))
  }
}
