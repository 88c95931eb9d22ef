// Normalisers of tokenizer.json: what is done to a stretch of text before it is cut into words.
// Regular expressions as patterns of `Replace` are refused.

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
  case replace(pattern: [UInt8], content: [UInt8])

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
    case "NFC": self = .unicode(.nfc)
    case "NFD": self = .unicode(.nfd)
    case "NFKC": self = .unicode(.nfkc)
    case "NFKD": self = .unicode(.nfkd)
    case "Lowercase": self = .lowercase
    case "StripAccents": self = .stripAccents
    case "Strip":
      try node.allow(["type", "strip_left", "strip_right"])
      self = .strip(
        left: try node.required("strip_left").bool(),
        right: try node.required("strip_right").bool())
    case "Prepend":
      try node.allow(["type", "prepend"])
      self = .prepend(Array(try node.required("prepend").string().utf8))
    case "Replace":
      let (pattern, content) = try Self.replacement(node)
      self = .replace(pattern: pattern, content: content)
    default: throw try node.required("type").unsupported
    }
  }

  /// The settings of `Replace`, which is a decoder too.
  static func replacement(
    _ node: ConfigurationNode
  ) throws(TokenizerError) -> (pattern: [UInt8], content: [UInt8]) {
    try node.allow(["type", "pattern", "content"])
    let pattern = try node.required("pattern")
    guard let literal = try pattern.optional("String") else { throw pattern.unsupported }
    let bytes = Array(try literal.string().utf8)
    if bytes.isEmpty { throw literal.malformed("an empty pattern matches nowhere in particular") }
    return (bytes, Array(try node.required("content").string().utf8))
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
    case .replace(let pattern, let content): text.replace(pattern, with: content)
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

  fileprivate mutating func replace(_ pattern: [UInt8], with content: [UInt8]) {
    if bytes.starts(with: pattern) {
      // The replacement is aligned with the last scalar that it replaces.
      let scalars = pattern.count { $0 & 0xC0 != 0x80 }
      if scalars > 1 || content.isEmpty { startsInput = false }
    }
    bytes = bytes.replacing(pattern, with: content)
  }
}
