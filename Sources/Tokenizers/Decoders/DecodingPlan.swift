// Decoders of tokenizer.json, arranged for streaming: first steps that turn tokens into tokens, then
// at most one that joins all into a single text, then steps over that text. What Hugging Face would
// allow beyond this order is refused.

struct DecodingPlan: Sendable {
  enum TokenStep: Sendable {
    case replace(pattern: [UInt8], content: [UInt8])
    case byteFallback
    case wordPiece(prefix: [UInt8], cleansUp: Bool)
    case metaspace(replacement: [UInt8], dropsFirst: Bool)
    case strip(scalar: [UInt8], start: Int, stop: Int)
    /// A blank between tokens: what is done without any decoder.
    case blanks
  }

  enum TextStep: Sendable {
    /// Byte-level characters to bytes, ill-formed UTF-8 to U+FFFD.
    case bytes
    case replace(pattern: [UInt8], content: [UInt8])
    case strip(scalar: [UInt8], start: Int, stop: Int)
  }

  private(set) var tokenSteps: [TokenStep] = []
  private(set) var textSteps: [TextStep] = []
  /// Whether tokens are byte-level characters.
  private(set) var isByteLevel = false
  private var isFused = false

  init(_ node: ConfigurationNode?) throws(TokenizerError) {
    guard let node else {
      tokenSteps = [.blanks]
      return
    }
    try read(node)
  }

  private mutating func read(_ node: ConfigurationNode) throws(TokenizerError) {
    switch try node.type() {
    case "Sequence":
      try node.allow(["type", "decoders"])
      for member in try node.required("decoders").elements() { try read(member) }
    case "Fuse": isFused = true
    case "Replace":
      let (pattern, content) = try Normalizer.replacement(node)
      if isFused {
        textSteps.append(.replace(pattern: pattern, content: content))
      } else {
        tokenSteps.append(.replace(pattern: pattern, content: content))
      }
    case "Strip": try readStrip(node)
    default:
      if isFused { throw try node.required("type").unsupported }
      try readTokenStep(node)
    }
  }

  private mutating func readStrip(_ node: ConfigurationNode) throws(TokenizerError) {
    try node.allow(["type", "content", "start", "stop"])
    let scalar = try node.required("content").scalar()
    let start = try node.required("start").count()
    let stop = try node.required("stop").count()
    if isFused {
      textSteps.append(.strip(scalar: scalar, start: start, stop: stop))
    } else {
      tokenSteps.append(.strip(scalar: scalar, start: start, stop: stop))
    }
  }

  private mutating func readTokenStep(_ node: ConfigurationNode) throws(TokenizerError) {
    switch try node.type() {
    case "ByteLevel":
      try node.allow(["type", "add_prefix_space", "trim_offsets", "use_regex"])
      textSteps.append(.bytes)
      isByteLevel = true
      isFused = true
    case "WordPiece":
      try node.allow(["type", "prefix", "cleanup"])
      tokenSteps.append(
        .wordPiece(
          prefix: Array(try node.required("prefix").string().utf8),
          cleansUp: try node.required("cleanup").bool()))
    case "ByteFallback": tokenSteps.append(.byteFallback)
    case "Metaspace":
      let metaspace = try Metaspace(node)
      tokenSteps.append(
        .metaspace(
          replacement: metaspace.replacement, dropsFirst: metaspace.prependScheme != .never))
    default: throw try node.required("type").unsupported
    }
  }

  /// The bytes that one token stands for in the middle of a text.
  func bytes(of token: [UInt8]) -> [UInt8] {
    if isByteLevel { return ByteAlphabet.bytes(of: token) ?? token }
    var bytes = token
    for step in tokenSteps {
      switch step {
      case .replace(let pattern, let content): bytes = bytes.replacing(pattern, with: content)
      case .byteFallback: if let byte = fallbackByte(bytes) { return [byte] }
      case .metaspace(let replacement, _): bytes = bytes.replacing(replacement, with: [0x20])
      case .wordPiece(let prefix, _):
        bytes = bytes.starts(with: prefix) ? Array(bytes.dropFirst(prefix.count)) : [0x20] + bytes
      case .strip, .blanks: break
      }
    }
    return bytes
  }
}

/// The byte that a token such as `<0x0A>` stands for.
func fallbackByte(_ token: [UInt8]) -> UInt8? {
  guard token.count == 6, token.starts(with: [0x3C, 0x30, 0x78]), token[5] == 0x3E,
    token[3] != 0x2D
  else { return nil }
  return UInt8(String(decoding: token[3..<5], as: UTF8.self), radix: 16)
}
