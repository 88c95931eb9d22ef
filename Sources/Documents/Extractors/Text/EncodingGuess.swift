// Which encoding bytes are in that are not UTF-8 and of which nobody said what they are. Text of a
// language consists nearly only of the characters that its standard put into its first level, so each
// candidate is scored by the share of its characters beyond ASCII that lie there; bytes read as the
// wrong encoding scatter over rare ones. The best is taken if it explains nearly everything and no
// other comes near it; short and mixed-up texts thus stay unclear, which is an answer too.

struct EncodingGuess {
  /// nil: unclear.
  let charset: Charset?

  /// How well an encoding explains the bytes.
  private struct Score {
    /// Of the characters beyond ASCII, those that are in common use; 0 where a byte can't be read.
    var share = 0.0
    /// Characters beyond ASCII.
    var count = 0
  }

  private struct Candidate: Sendable {
    let charset: Charset
    /// Characters that must speak for it: one or two pairs of bytes mean something in most encodings.
    var leastCount = 4
    let score: @Sendable (ArraySlice<UInt8>) -> Score
  }

  /// Share of common characters that the best must have, and its lead over the second.
  private static let leastShare = 0.9
  private static let leastLead = 0.15
  /// Characters from which on it counts that a text has none of a common kind.
  private static let longCount = 24
  private static let sampleByteCount = 1 << 16

  init(_ bytes: [UInt8]) {
    let sample = Self.sample(bytes)
    let found = Self.candidates.map { (candidate: $0, score: $0.score(sample)) }
      .sorted { $0.score.share > $1.score.share }
    let (best, second) = (found[0], found[1])
    let isCertain =
      best.score.share >= Self.leastShare && best.score.count >= best.candidate.leastCount
      && best.score.share - second.score.share >= Self.leastLead
    charset = isCertain ? best.candidate.charset : nil
  }

  /// The beginning, up to a byte that is part of no longer character where there is one.
  private static func sample(_ bytes: [UInt8]) -> ArraySlice<UInt8> {
    guard bytes.count > sampleByteCount else { return bytes[...] }
    let prefix = bytes[..<sampleByteCount]
    return prefix[..<(prefix.lastIndex { $0 < 0x30 } ?? prefix.endIndex)]
  }

  private static let candidates: [Candidate] = [
    Candidate(charset: .gb18030, score: gb18030Score),
    Candidate(charset: .big5, score: big5Score),
    Candidate(charset: .shiftJIS) { bytes in
      // Kana and JIS level 1, 889F to 9872; 81xx is punctuation. Half-width kana is rare.
      score(bytes, width: shiftJISWidth) { lead, _ in
        (0x81...0x83).contains(lead) || (0x88...0x98).contains(lead)
      }
    },
    Candidate(charset: .japaneseEUC, leastCount: longCount, score: japaneseEUCScore),
    Candidate(charset: .koreanEUC, leastCount: longCount) { bytes in
      // Hangul are rows B0 to C8, all of them in use; hanja and the rest of Unified Hangul are rare.
      score(bytes, width: doubleByteWidth(0xA1...0xFE) { $0 >= 0xA1 }) { lead, _ in
        (0xB0...0xC8).contains(lead) || lead == 0xA1
      }
    },
    Candidate(charset: .windows1252, leastCount: 1, score: westernScore),
  ]

  /// Level 1 has the 3,755 hanzi in use, rows 16 to 55 of GB 2312, by their sound from A to Z; rows 1
  /// and 3 are punctuation. Two of five begin with C9 or more; a longer text with none of those is
  /// Korean.
  private static func gb18030Score(_ bytes: ArraySlice<UInt8>) -> Score {
    var hasHighLead = false
    var score = Self.score(bytes, width: gb18030Width) { lead, trail in
      if (0xC9...0xD7).contains(lead) { hasHighLead = true }
      return ((0xB0...0xD7).contains(lead) || lead == 0xA1 || lead == 0xA3) && trail >= 0xA1
    }
    if !hasHighLead, score.count >= longCount { score.share *= 0.7 }
    return score
  }

  /// Level 1 has 5,401 hanzi, A440 to C67E. Two of five second bytes are below 7F; a longer text with
  /// none of those is in an encoding that has none.
  private static func big5Score(_ bytes: ArraySlice<UInt8>) -> Score {
    var hasLowTrail = false
    let width = doubleByteWidth(0x81...0xFE) { (0x40...0x7E).contains($0) || $0 >= 0xA1 }
    var score = Self.score(bytes, width: width) { lead, trail in
      if trail < 0x80 { hasLowTrail = true }
      return (0xA4...0xC5).contains(lead) || lead == 0xC6 && trail <= 0x7E || lead == 0xA1
    }
    if !hasLowTrail, score.count >= longCount { score.share *= 0.7 }
    return score
  }

  /// Kana, and JIS level 1, rows 16 to 47. Japanese text has at least a third of kana; with less it is
  /// as likely Chinese that quotes some.
  private static func japaneseEUCScore(_ bytes: ArraySlice<UInt8>) -> Score {
    var kanaCount = 0
    var score = Self.score(bytes, width: doubleByteWidth(0xA1...0xFE) { $0 >= 0xA1 }) { lead, _ in
      if lead == 0xA4 || lead == 0xA5 { kanaCount += 1 }
      return [0xA1, 0xA4, 0xA5].contains(lead) || (0xB0...0xCF).contains(lead)
    }
    if kanaCount * 3 < score.count { score.share = 0 }
    return score
  }

  // MARK: Two bytes a character

  /// - Parameters:
  ///   - width: bytes of the character that begins at the index, its first one above 127; nil where
  ///     there is none
  ///   - isCommon: of a character's first two bytes
  private static func score(
    _ bytes: ArraySlice<UInt8>, width: (ArraySlice<UInt8>, Int) -> Int?,
    isCommon: (UInt8, UInt8) -> Bool
  ) -> Score {
    var (common, total) = (0, 0)
    var index = bytes.startIndex
    while index < bytes.endIndex {
      if bytes[index] < 0x80 {
        index += 1
        continue
      }
      // A sample may end within its last character; decoding tells in the end.
      guard index + 1 < bytes.endIndex || width(bytes, index) != nil else { break }
      guard let count = width(bytes, index) else { return Score() }
      total += 1
      if count == 2, isCommon(bytes[index], bytes[index + 1]) { common += 1 }
      index += count
    }
    return Score(share: total == 0 ? 0 : Double(common) / Double(total), count: total)
  }

  private static func doubleByteWidth(
    _ leads: ClosedRange<UInt8>, trail: @escaping @Sendable (UInt8) -> Bool
  ) -> (ArraySlice<UInt8>, Int) -> Int? {
    { bytes, index in
      guard leads.contains(bytes[index]), index + 1 < bytes.endIndex, trail(bytes[index + 1])
      else { return nil }
      return 2
    }
  }

  private static func gb18030Width(_ bytes: ArraySlice<UInt8>, _ index: Int) -> Int? {
    guard (0x81...0xFE).contains(bytes[index]), index + 1 < bytes.endIndex else { return nil }
    let trail = bytes[index + 1]
    if (0x30...0x39).contains(trail) { return 4 }
    return trail >= 0x40 && trail != 0x7F && trail != 0xFF ? 2 : nil
  }

  private static func shiftJISWidth(_ bytes: ArraySlice<UInt8>, _ index: Int) -> Int? {
    let lead = bytes[index]
    if (0xA1...0xDF).contains(lead) { return 1 }
    guard (0x81...0x9F).contains(lead) || (0xE0...0xFC).contains(lead), index + 1 < bytes.endIndex
    else { return nil }
    let trail = bytes[index + 1]
    return (0x40...0xFC).contains(trail) && trail != 0x7F ? 2 : nil
  }

  // MARK: One byte a character

  /// Western languages have letters with marks between plain ones, mostly one at a time, and
  /// typographic quotes and dashes at the ends of words.
  private static func westernScore(_ bytes: ArraySlice<UInt8>) -> Score {
    var (common, alone, total) = (0, 0, 0)
    for index in bytes.indices where bytes[index] >= 0x80 {
      let byte = bytes[index]
      if [0x81, 0x8D, 0x8F, 0x90, 0x9D].contains(byte) { return Score() }
      total += 1
      let before = index > bytes.startIndex ? bytes[index - 1] : 0x20
      let after = index + 1 < bytes.endIndex ? bytes[index + 1] : 0x20
      if before < 0x80, after < 0x80 { alone += 1 }
      let isLetter = (0xC0...0xFE).contains(byte) && byte != 0xD7 && byte != 0xF7
      if isWesternMark(byte) || isLetter && (before.isASCIILetter || after.isASCIILetter) {
        common += 1
      }
    }
    guard total > 0, alone * 10 >= total * 6 else { return Score() }
    return Score(share: Double(common) / Double(total), count: total)
  }

  /// Euro, ellipsis, quotes, dashes, bullet, no-break space, section, degree and the like.
  private static func isWesternMark(_ byte: UInt8) -> Bool {
    [0x80, 0x82, 0x84, 0x85, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x99].contains(byte)
      || [0xA0, 0xA1, 0xA3, 0xA7, 0xA9, 0xAB, 0xAE, 0xB0, 0xB7, 0xBB, 0xBF].contains(byte)
  }
}
