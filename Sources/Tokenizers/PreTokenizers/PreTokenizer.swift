// Pre-tokenizers of tokenizer.json: from normalised text to the pieces that the model encodes one by
// one. A sequence of them is flattened to steps that cut or rewrite the pieces in turn.

/// Text and the pieces that it is cut into, from the left, none of them empty.
struct PreTokenizedText: Sendable {
  var bytes: [UInt8]
  var pieces: [Range<Int>]
  /// Whether the first piece begins at the very start of the input.
  var startsInput: Bool

  init(_ text: NormalizedText) {
    bytes = text.bytes
    pieces = text.bytes.isEmpty ? [] : [text.bytes.indices]
    startsInput = text.startsInput
  }
}

struct PreTokenizer: Sendable {
  enum Step: Sendable {
    case split(Split)
    /// A blank before each piece that doesn't begin with one.
    case prefixBlank
    case metaspace(Metaspace)
    /// Each byte written as a character of the byte-level alphabet.
    case mapBytes
    /// A cut before each visible blank that doesn't follow another.
    case cutAtVisibleBlanks
  }

  private var steps: [Step] = []
  /// Whether the pieces stand for bytes: the model then takes raw bytes for the mapped characters,
  /// and nothing has to be rewritten.
  private(set) var yieldsBytes = false

  /// None: the whole text is one piece.
  init() {}

  /// Words of a pattern, for a model that takes bytes.
  init(bytesOf pattern: WordPattern) {
    append(.words(pattern), .isolated)
    yieldsBytes = true
  }

  init(_ node: ConfigurationNode) throws(TokenizerError) {
    try read(node)
    if case .mapBytes? = steps.last {
      steps.removeLast()
      yieldsBytes = true
    }
  }

  /// For a model that wants the mapped characters after all.
  mutating func mapBytes() {
    if yieldsBytes { steps.append(.mapBytes) }
    yieldsBytes = false
  }

  /// Cuts a text into words even where the file leaves it whole, if the model's ids don't change by
  /// it: words are known again, and short ones are merged faster.
  func adapted(to model: Model) -> PreTokenizer {
    guard case .bytePair(let model) = model, model.allowsCutsAtVisibleBlanks else { return self }
    var result = self
    result.steps.append(.cutAtVisibleBlanks)
    return result
  }

  private mutating func read(_ node: ConfigurationNode) throws(TokenizerError) {
    switch try node.type() {
    case "Sequence":
      try node.allow(["type", "pretokenizers"])
      for member in try node.required("pretokenizers").elements() { try read(member) }
    case "BertPreTokenizer":
      try node.allow(["type"])
      append(.characters(.whiteSpace), .removed)
      append(.characters(.punctuation), .isolated)
    case "WhitespaceSplit":
      try node.allow(["type"])
      append(.characters(.whiteSpace), .removed)
    case "Whitespace":
      try node.allow(["type"])
      steps.append(
        .split(Split(pattern: .wordsAndSymbols, behavior: .removed, isInverted: true)))
    case "Punctuation":
      try node.allow(["type", "behavior"])
      let behavior = try node.optional("behavior")
      append(
        .characters(.punctuation), try behavior.map(orThrow: SplitBehavior.init) ?? .isolated)
    case "CharDelimiterSplit":
      try node.allow(["type", "delimiter"])
      append(.literal(try node.required("delimiter").scalar()), .removed)
    case "FixedLength":
      try node.allow(["type", "length"])
      let length = try node.required("length")
      guard case let count = try length.count(), count > 0 else { throw length.unsupported }
      append(.length(count), .isolated)
    case "Digits":
      try node.allow(["type", "individual_digits"])
      let isolates = try node.required("individual_digits").bool()
      append(.characters(.numeric), isolates ? .isolated : .contiguous)
    case "ByteLevel": try readByteLevel(node)
    case "Metaspace": steps.append(.metaspace(try Metaspace(node)))
    case "Split": try readSplit(node)
    default: throw try node.required("type").unsupported
    }
  }

  private mutating func append(_ pattern: SplitPattern, _ behavior: SplitBehavior) {
    steps.append(.split(Split(pattern: pattern, behavior: behavior)))
  }

  private mutating func readByteLevel(_ node: ConfigurationNode) throws(TokenizerError) {
    // Offsets, which `trim_offsets` is about, are not computed here.
    try node.allow(["type", "add_prefix_space", "trim_offsets", "use_regex"])
    if try node.required("add_prefix_space").bool() { steps.append(.prefixBlank) }
    if try node.bool("use_regex", default: true) { append(.words(.gpt2), .isolated) }
    steps.append(.mapBytes)
  }

  private mutating func readSplit(_ node: ConfigurationNode) throws(TokenizerError) {
    try node.allow(["type", "pattern", "behavior", "invert"])
    steps.append(
      .split(
        Split(
          pattern: try Self.pattern(node.required("pattern")),
          behavior: try SplitBehavior(node.required("behavior")),
          isInverted: try node.required("invert").bool())))
  }

  private static func pattern(_ node: ConfigurationNode) throws(TokenizerError) -> SplitPattern {
    if let literal = try node.optional("String") {
      let bytes = Array(try literal.string().utf8)
      if bytes.isEmpty { throw literal.malformed("an empty pattern matches nowhere in particular") }
      return .literal(bytes)
    }
    let expression = try node.required("Regex")
    if let pattern = SplitPattern(expression: try expression.string()) { return pattern }
    return .expression(try RegularExpression(expression))
  }

  // MARK: - Application

  func apply(to text: inout PreTokenizedText) {
    for step in steps where !text.pieces.isEmpty {
      switch step {
      case .split(let split): text.split(split)
      case .prefixBlank: text.prefixBlanks()
      case .metaspace(let metaspace): metaspace.apply(to: &text)
      case .cutAtVisibleBlanks: text.cutAtVisibleBlanks()
      case .mapBytes:
        text.rewrite { bytes, piece, _, output in
          for byte in bytes[piece] { output += ByteAlphabet.character(of: byte) }
        }
      }
    }
  }
}

extension PreTokenizedText {
  mutating func split(_ split: Split) {
    var result: [Range<Int>] = []
    result.reserveCapacity(pieces.count + bytes.count / 4)
    for piece in pieces { split.split(bytes, piece, into: &result) }
    if result.first?.lowerBound != pieces.first?.lowerBound { startsInput = false }
    pieces = result
  }

  fileprivate mutating func cutAtVisibleBlanks() {
    var result: [Range<Int>] = []
    result.reserveCapacity(pieces.count + bytes.count / 4)
    for piece in pieces {
      var start = piece.lowerBound
      var index = start
      var afterBlank = true
      while index < piece.upperBound {
        let isBlank = VisibleBlank.begins(at: index, in: bytes)
        if isBlank, !afterBlank {
          result.append(start..<index)
          start = index
        }
        afterBlank = isBlank
        index += isBlank ? VisibleBlank.bytes.count : 1
      }
      result.append(start..<piece.upperBound)
    }
    pieces = result
  }

  /// Rewrites each piece: `body` gets the bytes, the piece, its number and what to append to.
  mutating func rewrite(_ body: ([UInt8], Range<Int>, Int, inout [UInt8]) -> Void) {
    var output: [UInt8] = []
    output.reserveCapacity(bytes.count + bytes.count / 2)
    for index in pieces.indices {
      let start = output.count
      body(bytes, pieces[index], index, &output)
      pieces[index] = start..<output.count
    }
    bytes = output
  }

  fileprivate mutating func prefixBlanks() {
    if pieces.allSatisfy({ bytes[$0.lowerBound] == 0x20 }) { return }
    rewrite { bytes, piece, _, output in
      if bytes[piece.lowerBound] != 0x20 { output.append(0x20) }
      output += bytes[piece]
    }
  }
}
