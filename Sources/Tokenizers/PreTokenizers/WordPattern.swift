// The regular expressions that byte-level tokenizers split with, as hand-written scanners. A scanner only
// has to say where the word that begins here ends. Other expressions are unknown here and left to
// Oniguruma.

enum WordPattern: Sendable {
  /// GPT-2's.
  case gpt2
  /// Those that follow OpenAI's cl100k: Llama-3 takes three digits at a time, Qwen2 one.
  case cl100k(maximumDigits: Int)
  /// Those that follow OpenAI's o200k: Mistral's Tekken takes one digit and no contractions.
  case o200k(maximumDigits: Int, takesContractions: Bool)
  /// The last one of DeepSeek-V3's.
  case deepSeek

  /// The scanner for a regular expression, nil where there is none.
  init?(expression: String) {
    guard let pattern = Self.known[expression] else { return nil }
    self = pattern
  }

  private static let known: [String: WordPattern] = {
    let three = #"\p{N}{1,3}"#
    let one = #"\p{N}"#
    return [
      #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#: .gpt2,
      cl100kExpression(digits: three): .cl100k(maximumDigits: 3),
      cl100kExpression(digits: one): .cl100k(maximumDigits: 1),
      o200kExpression(contractions: #"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"#, digits: three):
        .o200k(maximumDigits: 3, takesContractions: true),
      o200kExpression(contractions: "", digits: one):
        .o200k(maximumDigits: 1, takesContractions: false),
      ##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"##
        + #" ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#: .deepSeek,
    ]
  }()

  static func cl100kExpression(digits: String) -> String {
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"# + digits
      + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  }

  private static func o200kExpression(contractions: String, digits: String) -> String {
    let prefix = #"[^\r\n\p{L}\p{N}]?"#
    let upper = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#
    let lower = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#
    return prefix + upper + "*" + lower + "+" + contractions + "|" + prefix + upper + "+" + lower
      + "*" + contractions + "|" + digits
      + #"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  }

  /// Where the word that begins at `range.lowerBound` ends, there itself where none begins; `range` is
  /// not empty.
  @inline(__always)
  func endOfWord(in text: [UInt8], _ range: Range<Int>, _ classes: CharacterClasses) -> Int {
    let scanner = WordScanner(text: text, end: range.upperBound, classes: classes)
    let start = range.lowerBound
    switch self {
    case .gpt2: return scanner.endOfGPT2Word(at: start)
    case .cl100k(let digits): return scanner.endOfCL100KWord(at: start, maximumDigits: digits)
    case .o200k(let digits, let takesContractions):
      return scanner.endOfO200KWord(
        at: start, maximumDigits: digits, takesContractions: takesContractions)
    case .deepSeek: return scanner.endOfDeepSeekWord(at: start)
    }
  }
}
