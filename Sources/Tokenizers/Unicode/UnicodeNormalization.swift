// The four Unicode normalisation forms and character-wise lower case over UTF-8 bytes (UAX #15),
// with the data of the reference implementation. Text that a form leaves alone is returned as it is
// after one look at each scalar.

struct UnicodeNormalization: Sendable {
  enum Form: Sendable {
    case nfc, nfd, nfkc, nfkd

    fileprivate var composes: Bool { self == .nfc || self == .nfkc }
    fileprivate var isCanonical: Bool { self == .nfc || self == .nfd }
  }

  static let shared = UnicodeNormalization()

  private let canonical: ScalarMapping
  private let compatibility: ScalarMapping
  private let lowercase: ScalarMapping
  /// Combining class in the low byte; above it a bit per form that may change the scalar.
  private let properties: ScalarTable<UInt16>
  /// Composite by first scalar << 32 | second.
  private let compositions: [UInt64: UInt32]

  private init() {
    var canonicalReader = PackedReader(UnicodeTables.packedCanonical)
    canonical = ScalarMapping(&canonicalReader)
    var compatibilityReader = PackedReader(UnicodeTables.packedCompatibility)
    compatibility = ScalarMapping(&compatibilityReader, base: canonical)
    var lowercaseReader = PackedReader(UnicodeTables.packedLowercase)
    lowercase = ScalarMapping(&lowercaseReader)
    var pairReader = PackedReader(UnicodeTables.packedCompositions)
    let triples = pairReader.triples()
    compositions = Dictionary(
      triples.map { (UInt64($0.0) << 32 | UInt64($0.1), $0.2) }, uniquingKeysWith: { $1 })
    var classReader = PackedReader(UnicodeTables.packedCombiningClasses)
    properties = Self.properties(
      combiningClasses: classReader.pairs(), triples: triples, canonical: canonical,
      compatibility: compatibility)
  }

  private static func bit(_ form: Form) -> UInt16 {
    switch form {
    case .nfc: 0x100
    case .nfd: 0x200
    case .nfkc: 0x400
    case .nfkd: 0x800
    }
  }

  private static func properties(
    combiningClasses: [(UInt32, UInt32)], triples: [(UInt32, UInt32, UInt32)],
    canonical: ScalarMapping, compatibility: ScalarMapping
  ) -> ScalarTable<UInt16> {
    var properties: [UInt32: UInt16] = [:]
    let composites = Set(triples.map(\.2))
    let composed = bit(.nfc) | bit(.nfkc)
    for (scalar, value) in combiningClasses {
      // Any mark may have to be reordered.
      properties[scalar, default: 0] |= UInt16(truncatingIfNeeded: value) | 0xF00
    }
    for (_, second, _) in triples { properties[second, default: 0] |= composed }
    for scalar in Hangul.vowels { properties[scalar, default: 0] |= composed }
    for scalar in Hangul.trailing { properties[scalar, default: 0] |= composed }
    for scalar in Hangul.syllables {
      properties[scalar, default: 0] |= bit(.nfd) | bit(.nfkd)
    }
    for scalar in canonical.scalars {
      properties[scalar, default: 0] |= bit(.nfd) | bit(.nfkd)
      if !composites.contains(scalar) { properties[scalar, default: 0] |= composed }
    }
    for scalar in compatibility.scalars where canonical[scalar] != compatibility[scalar] {
      properties[scalar, default: 0] |= bit(.nfkc) | bit(.nfkd)
    }
    return ScalarTable(
      entries: properties.sorted { $0.key < $1.key }.map { (scalar: $0.key, value: $0.value) },
      otherwise: 0)
  }

  // MARK: - Forms

  func normalize(_ text: [UInt8], to form: Form) -> [UInt8] {
    guard mayChange(text, form) else { return text }
    var scalars = decompose(text, canonically: form.isCanonical)
    if form.composes { compose(&scalars) }
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    for scalar in scalars { result.append(scalar: scalar) }
    return result
  }

  private func mayChange(_ text: [UInt8], _ form: Form) -> Bool {
    let mask = Self.bit(form)
    var index = 0
    while index < text.count {
      if text[index] < 0x80 {
        index += 1
        continue
      }
      let (value, length) = scalar(in: text, at: index)
      if properties[value] & mask != 0 { return true }
      index += length
    }
    return false
  }

  /// Full decomposition in canonical order.
  private func decompose(_ text: [UInt8], canonically: Bool) -> [UInt32] {
    let mapping = canonically ? canonical : compatibility
    var scalars: [UInt32] = []
    scalars.reserveCapacity(text.count)
    var index = 0
    while index < text.count {
      let (value, length) = scalar(in: text, at: index)
      index += length
      if let parts = mapping[value] {
        scalars += parts
      } else if Hangul.syllables.contains(value) {
        Hangul.decompose(value, into: &scalars)
      } else {
        scalars.append(value)
      }
    }
    reorder(&scalars)
    return scalars
  }

  /// Sorts each run of marks by combining class, keeping the order of equal ones.
  private func reorder(_ scalars: inout [UInt32]) {
    var start = 0
    while start < scalars.count {
      guard combiningClass(scalars[start]) != 0 else {
        start += 1
        continue
      }
      var end = start + 1
      while end < scalars.count, combiningClass(scalars[end]) != 0 { end += 1 }
      if end - start > 1 {
        let marks = scalars[start..<end].map { ($0, combiningClass($0)) }
        // Swift's sort is stable.
        scalars.replaceSubrange(start..<end, with: marks.sorted { $0.1 < $1.1 }.map(\.0))
      }
      start = end
    }
  }

  /// Canonical composition in place.
  private func compose(_ scalars: inout [UInt32]) {
    var output = 0
    var starter: Int?
    var previousClass: UInt16 = 0
    for index in scalars.indices {
      let scalar = scalars[index]
      let combining = combiningClass(scalar)
      if let starter {
        let isAdjacent = output == starter + 1
        if isAdjacent || previousClass < combining,
          let composite = composite(scalars[starter], scalar)
        {
          scalars[starter] = composite
          continue
        }
      }
      scalars[output] = scalar
      if combining == 0 { starter = output }
      previousClass = combining
      output += 1
    }
    scalars.removeLast(scalars.count - output)
  }

  private func composite(_ first: UInt32, _ second: UInt32) -> UInt32? {
    Hangul.composite(first, second) ?? compositions[UInt64(first) << 32 | UInt64(second)]
  }

  private func combiningClass(_ scalar: UInt32) -> UInt16 { properties[scalar] & 0xFF }

  // MARK: - Case

  /// Each scalar in lower case by itself, without regard to its neighbours.
  func lowercased(_ text: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    var index = 0
    while index < text.count {
      let (value, length) = scalar(in: text, at: index)
      index += length
      if value < 0x80 {
        let isUpper = value >= 0x41 && value <= 0x5A
        result.append(UInt8(truncatingIfNeeded: isUpper ? value + 32 : value))
      } else if let parts = lowercase[value] {
        for part in parts { result.append(scalar: part) }
      } else {
        result.append(scalar: value)
      }
    }
    return result
  }
}

/// Hangul syllables are composed by arithmetic (Unicode 3.12).
private enum Hangul {
  static let syllables: Range<UInt32> = 0xAC00..<0xAC00 + 11172
  static let leading: Range<UInt32> = 0x1100..<0x1113
  static let vowels: Range<UInt32> = 0x1161..<0x1176
  /// Without the filler 0x11A7, which stands for no trailing consonant.
  static let trailing: Range<UInt32> = 0x11A8..<0x11C3

  static func decompose(_ syllable: UInt32, into scalars: inout [UInt32]) {
    let index = syllable - syllables.lowerBound
    scalars.append(leading.lowerBound + index / 588)
    scalars.append(vowels.lowerBound + index % 588 / 28)
    if index % 28 != 0 { scalars.append(trailing.lowerBound - 1 + index % 28) }
  }

  static func composite(_ first: UInt32, _ second: UInt32) -> UInt32? {
    if leading.contains(first), vowels.contains(second) {
      let pair = (first - leading.lowerBound) * 21 + second - vowels.lowerBound
      return syllables.lowerBound + pair * 28
    }
    guard syllables.contains(first), trailing.contains(second),
      (first - syllables.lowerBound) % 28 == 0
    else { return nil }
    return first + second - (trailing.lowerBound - 1)
  }
}
