// Decoders of tokenizer.json, arranged for streaming: first steps that turn tokens into tokens, then
// at most one that joins all into a single text, then steps over that text. What Hugging Face would
// allow beyond this order is refused.

struct DecodingPlan: Sendable {
  enum TokenStep: Sendable {
    case replace(Replacement)
    /// The end of a word: a blank, nothing for the last token.
    case wordEnd(suffix: [UInt8])
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

  /// Byte-level characters to bytes.
  static var byteLevel: DecodingPlan {
    var plan = DecodingPlan()
    plan.textSteps = [.bytes]
    plan.isByteLevel = true
    return plan
  }

  /// SentencePiece's pieces, and up to so many blanks removed at the text's start.
  init(removingBlanksAtStart count: Int) {
    let blanks = Replacement(literal: VisibleBlank.bytes, content: [0x20])
    tokenSteps = [.replace(blanks), .byteFallback]
    textSteps = count > 0 ? [.strip(scalar: [0x20], start: count, stop: 0)] : []
    isFused = true
  }

  private init() {}

  private mutating func read(_ node: ConfigurationNode) throws(TokenizerError) {
    switch try node.type() {
    case "Sequence":
      try node.allow(["type", "decoders"])
      for member in try node.required("decoders").elements() { try read(member) }
    case "Fuse":
      try node.allow(["type"])
      isFused = true
    case "Replace":
      let replacement = try Replacement(node)
      if !isFused {
        tokenSteps.append(.replace(replacement))
      } else if case .literal(let pattern) = replacement.pattern {
        textSteps.append(.replace(pattern: pattern, content: replacement.content))
      } else {
        // What an expression matches can't be told before the text's end.
        throw try node.required("pattern").unsupported
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
    case "BPEDecoder":
      try node.allow(["type", "suffix"])
      tokenSteps.append(.wordEnd(suffix: Array(try node.required("suffix").string().utf8)))
    case "ByteFallback":
      try node.allow(["type"])
      tokenSteps.append(.byteFallback)
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
      case .replace(let replacement): bytes = replacement.apply(to: bytes)
      case .wordEnd(let suffix): bytes = bytes.replacing(suffix, with: [0x20])
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
