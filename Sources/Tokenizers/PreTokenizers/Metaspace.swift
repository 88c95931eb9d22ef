// SentencePiece's blanks: each blank becomes a visible character, one is put before the text, and the
// text is cut before each of them.

struct Metaspace: Sendable {
  enum PrependScheme: Sendable { case first, never, always }

  /// One scalar, U+2581 as a rule.
  let replacement: [UInt8]
  let prependScheme: PrependScheme
  private let splits: Bool

  init(_ node: ConfigurationNode) throws(TokenizerError) {
    try node.allow([
      "type", "replacement", "prepend_scheme", "split", "add_prefix_space", "str_rep",
    ])
    replacement = try node.required("replacement").scalar()
    splits = try node.bool("split", default: true)
    let scheme = try node.optional("prepend_scheme")
    var prependScheme = try scheme.map(orThrow: Self.scheme) ?? .always
    if let prefix = try node.optional("add_prefix_space"), try !prefix.bool() {
      if scheme != nil, prependScheme != .never {
        throw prefix.malformed("false contradicts the prepend_scheme")
      }
      prependScheme = .never
    }
    self.prependScheme = prependScheme
  }

  private static func scheme(_ node: ConfigurationNode) throws(TokenizerError) -> PrependScheme {
    switch try node.string() {
    case "first": .first
    case "never": .never
    case "always": .always
    default: throw node.unsupported
    }
  }

  func apply(to text: inout PreTokenizedText) {
    let startsInput = text.startsInput
    text.rewrite { bytes, piece, number, output in
      let prepends =
        switch prependScheme {
        case .always: true
        case .first: number == 0 && startsInput
        case .never: false
        }
      let hasBlank =
        bytes[piece.lowerBound] == 0x20 || bytes[piece].starts(with: replacement)
      if prepends, !hasBlank { output += replacement }
      for byte in bytes[piece] {
        if byte == 0x20 { output += replacement } else { output.append(byte) }
      }
    }
    if splits {
      text.split(Split(pattern: .literal(replacement), behavior: .mergedWithNext))
    }
  }
}
