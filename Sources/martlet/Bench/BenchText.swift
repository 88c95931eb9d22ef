// Text to measure with: the same on every run and machine, because the generator is our own.

import Glibc

enum BenchText {
  private static let commonWords = """
    river mountain city history language water energy market science music garden winter engine \
    letter paper bridge island signal memory planet forest doctor school ocean metal theory law \
    trade village number pattern story window camera battle king road food house light animal \
    plant machine field computer people country region century system process result example
    """.split(separator: " ").map(String.init)

  /// Texts of common English words: about one token each.
  static func documents(count: Int, words: Int) -> [String] {
    texts(count: count, words: words) { commonWords[Int($0 * Double(commonWords.count))] }
  }

  /// Texts of invented words whose frequencies fall with their rank as in natural language
  /// (Zipf's law), out of a vocabulary of 30,000: what lexical search should be measured on.
  static func zipfDocuments(count: Int, words: Int) -> [String] {
    texts(count: count, words: words) { word(rank: Int(pow(30_000, $0))) }
  }

  /// - Parameter choose: a word for a number from 0 up to 1.
  private static func texts(
    count: Int, words: Int, choose: (Double) -> String
  ) -> [String] {
    var state: UInt64 = 42
    return (0..<max(1, count)).map { _ in
      (0..<max(1, words)).map { _ in
        // A linear congruential generator; its upper bits are good enough here.
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return choose(Double(state >> 11) / Double(UInt64(1) << 53))
      }.joined(separator: " ")
    }
  }

  /// A pronounceable word of its own for each rank.
  private static func word(rank: Int) -> String {
    let (consonants, vowels) = (Array("bdfgklmnprstvz"), Array("aeiou"))
    var (rest, word) = (rank, "")
    repeat {
      word.append(consonants[rest % consonants.count])
      rest /= consonants.count
      word.append(vowels[rest % vowels.count])
      rest /= vowels.count
    } while rest > 0
    return word + "n"
  }
}
