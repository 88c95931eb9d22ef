// Normalisers of tokenizer.json: what is done to a stretch of text before it is cut into words.

/// Text on its way to the model.
struct NormalizedText: Sendable {
  var bytes: [UInt8]
  /// Whether the first byte stems from the very start of the input: only there does a `Metaspace`
  /// with the scheme `first` prepend, and a normaliser that cuts the start off prevents it.
  var startsInput: Bool
}

indirect enum Normalizer: Sendable {
  case sequence([Normalizer])
  case bert(BertNormalizer)
  case unicode(UnicodeNormalization.Form)
  case lowercase
  case stripAccents
  case strip(left: Bool, right: Bool)
  case prepend([UInt8])
  case replace(Replacement)
  case characterMap(CharacterMap)
  /// SentencePiece's clean-up for machine translation.
  case nmt
  /// Each byte written as a character of the byte-level alphabet.
  case byteLevel
  case sentencePiece(SentencePieceNormalizer)

  init(_ node: ConfigurationNode) throws(TokenizerError) {
    switch try node.type() {
    case "Sequence":
      try node.allow(["type", "normalizers"])
      var members: [Normalizer] = []
      for member in try node.required("normalizers").elements() {
        members.append(try Normalizer(member))
      }
      self = .sequence(members)
    case "BertNormalizer": self = .bert(try BertNormalizer(node))
    case "Strip":
      try node.allow(["type", "strip_left", "strip_right"])
      self = .strip(
        left: try node.required("strip_left").bool(),
        right: try node.required("strip_right").bool())
    case "Prepend":
      try node.allow(["type", "prepend"])
      self = .prepend(Array(try node.required("prepend").string().utf8))
    case "Replace": self = .replace(try Replacement(node))
    case "Precompiled":
      try node.allow(["type", "precompiled_charsmap"])
      let charsmap = try node.required("precompiled_charsmap")
      guard let map = CharacterMap(base64: try charsmap.string()) else {
        throw charsmap.malformed("not a character map of SentencePiece in base64")
      }
      self = .characterMap(map)
    default: self = try Self.withoutSettings(node)
    }
  }

  private static func withoutSettings(_ node: ConfigurationNode) throws(TokenizerError) -> Self {
    try node.allow(["type"])
    switch try node.type() {
    case "NFC": return .unicode(.nfc)
    case "NFD": return .unicode(.nfd)
    case "NFKC": return .unicode(.nfkc)
    case "NFKD": return .unicode(.nfkd)
    case "Lowercase": return .lowercase
    case "StripAccents": return .stripAccents
    case "Nmt": return .nmt
    case "ByteLevel": return .byteLevel
    default: throw try node.required("type").unsupported
    }
  }

  func apply(to text: inout NormalizedText) {
    switch self {
    case .sequence(let members):
      for member in members { member.apply(to: &text) }
    case .bert(let normalizer): normalizer.apply(to: &text)
    case .unicode(let form):
      text.bytes = UnicodeNormalization.shared.normalize(text.bytes, to: form)
    case .lowercase: text.bytes = UnicodeNormalization.shared.lowercased(text.bytes)
    case .stripAccents: text.remove(.combiningMark)
    case .strip(let left, let right): text.strip(left: left, right: right)
    case .prepend(let prefix):
      if !text.bytes.isEmpty { text.bytes = prefix + text.bytes }
    case .replace(let replacement): replacement.apply(to: &text)
    case .characterMap(let map): text.bytes = map.replaceGraphemes(in: text.bytes)
    case .sentencePiece(let normalizer): normalizer.apply(to: &text)
    case .nmt: text.cleanForTranslation()
    case .byteLevel: text.bytes = text.bytes.flatMap(ByteAlphabet.character)
    }
  }
}

extension NormalizedText {
  /// Removes every scalar of a class of marks; none of them is ASCII.
  mutating func remove(_ marks: CharacterClass) {
    if bytes.isASCII { return }
    let classes = CharacterClasses.shared
    var kept: [UInt8] = []
    kept.reserveCapacity(bytes.count)
    var index = 0
    while index < bytes.count {
      let (value, length) = scalar(in: bytes, at: index)
      if classes[value].isDisjoint(with: marks) {
        kept += bytes[index..<index + length]
      } else if kept.isEmpty {
        startsInput = false
      }
      index += length
    }
    bytes = kept
  }

  fileprivate mutating func strip(left: Bool, right: Bool) {
    let classes = CharacterClasses.shared
    while right, !bytes.isEmpty {
      let (value, length) = scalar(in: bytes, before: bytes.count)
      guard classes[value].contains(.whiteSpace) else { break }
      bytes.removeLast(length)
    }
    var start = 0
    while left, start < bytes.count {
      let (value, length) = scalar(in: bytes, at: start)
      guard classes[value].contains(.whiteSpace) else { break }
      start += length
    }
    if start > 0 {
      bytes.removeFirst(start)
      startsInput = false
    }
  }

  /// Control characters out, white space and invisible characters to blanks
  /// (huggingface/tokenizers, normalizers/unicode.rs).
  fileprivate mutating func cleanForTranslation() {
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var index = 0
    while index < bytes.count {
      let (value, length) = scalar(in: bytes, at: index)
      switch value {
      case 0x01...0x08, 0x0B, 0x0E...0x1F, 0x7F, 0x8F, 0x9F:
        if result.isEmpty { startsInput = false }
      case 0x09, 0x0A, 0x0C, 0x0D, 0x1680, 0x200B...0x200F, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD:
        result.append(0x20)
      default: result += bytes[index..<index + length]
      }
      index += length
    }
    bytes = result
  }
}
