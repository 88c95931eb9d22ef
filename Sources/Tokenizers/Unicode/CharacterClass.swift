// Character classes as the reference implementation sees them, one bit each. Several of them look
// alike but come from different Unicode versions there, so each has its own bit; see
// scripts/unicode-tables, which fixes the order.

struct CharacterClass: OptionSet, Sendable {
  let rawValue: UInt16

  /// `\p{L}` of Oniguruma, the engine of split patterns.
  static let letter = CharacterClass(rawValue: 1 << 0)
  /// `\p{N}` of Oniguruma.
  static let number = CharacterClass(rawValue: 1 << 1)
  /// `\s` of Oniguruma.
  static let space = CharacterClass(rawValue: 1 << 2)
  /// Rust's `char::is_whitespace`: pre-tokenizers, `Strip`, `lstrip`/`rstrip` of added tokens.
  static let whiteSpace = CharacterClass(rawValue: 1 << 3)
  /// Rust's `char::is_numeric`: the `Digits` pre-tokenizer.
  static let numeric = CharacterClass(rawValue: 1 << 4)
  /// ASCII punctuation and general category P.
  static let punctuation = CharacterClass(rawValue: 1 << 5)
  /// What BERT's `clean_text` removes: NUL, U+FFFD and general category C but tab and newlines.
  static let removedByCleaning = CharacterClass(rawValue: 1 << 6)
  /// General category Mn, what BERT's `strip_accents` removes after NFD.
  static let nonspacingMark = CharacterClass(rawValue: 1 << 7)
  /// General category M, what `StripAccents` removes.
  static let combiningMark = CharacterClass(rawValue: 1 << 8)
  /// `\w` of Rust's regex: the `Whitespace` pre-tokenizer and `single_word` of added tokens.
  static let word = CharacterClass(rawValue: 1 << 9)
  /// `\p{M}` of Oniguruma.
  static let mark = CharacterClass(rawValue: 1 << 10)
  /// `\p{P}` of Oniguruma.
  static let punctuationMark = CharacterClass(rawValue: 1 << 11)
  /// `\p{S}` of Oniguruma.
  static let symbol = CharacterClass(rawValue: 1 << 12)
  /// `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]` of Oniguruma: what may begin a word in capitals.
  static let upper = CharacterClass(rawValue: 1 << 13)
  /// `[\p{Ll}\p{Lm}\p{Lo}\p{M}]` of Oniguruma: what a word may go on with.
  static let lower = CharacterClass(rawValue: 1 << 14)
}

/// The classes of every scalar.
struct CharacterClasses: Sendable {
  static let shared = CharacterClasses()

  private let table: ScalarTable<UInt16>

  private init() {
    var reader = PackedReader(UnicodeTables.packedClasses)
    table = ScalarTable(runs: reader.pairs().map { ($0.0, UInt16(truncatingIfNeeded: $0.1)) })
  }

  @inline(__always)
  subscript(scalar: UInt32) -> CharacterClass { CharacterClass(rawValue: table[scalar]) }

  /// The code points of a class.
  func ranges(of wanted: CharacterClass) -> [ClosedRange<UInt32>] {
    var ranges: [ClosedRange<UInt32>] = []
    for scalar in UInt32(0)..<0x110000 where self[scalar].contains(wanted) {
      if let last = ranges.last, last.upperBound + 1 == scalar {
        ranges[ranges.count - 1] = last.lowerBound...scalar
      } else {
        ranges.append(scalar...scalar)
      }
    }
    return ranges
  }
}
