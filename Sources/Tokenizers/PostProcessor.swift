// Post-processors of tokenizer.json: the special tokens around an encoded text, or around two that
// are read together.

struct PostProcessor: Sendable {
  enum Part: Sendable {
    case text
    case special([Int32])
  }

  /// A part of two texts put together, and the type of its tokens.
  struct PairPart: Sendable {
    enum Content: Sendable {
      case first, second
      case special([Int32])
    }
    var content: Content
    var type: UInt8
  }

  private var parts: [Part]
  private var pairParts: [PairPart]

  /// Two texts become one behind the other, each with its own special tokens.
  init(_ parts: [Part] = [.text]) {
    self.parts = parts
    func each(_ text: PairPart.Content, _ type: UInt8) -> [PairPart] {
      parts.map { part in
        switch part {
        case .text: PairPart(content: text, type: type)
        case .special(let ids): PairPart(content: .special(ids), type: type)
        }
      }
    }
    pairParts = each(.first, 0) + each(.second, 1)
  }

  init(_ node: ConfigurationNode, knows: (Int32) -> Bool) throws(TokenizerError) {
    self.init()
    switch try node.type() {
    case "TemplateProcessing":
      try node.allow(["type", "single", "pair", "special_tokens"])
      parts = try Self.template(node, knows: knows)
      if let pair = try node.optional("pair") {
        let template = try Self.pairTemplate(pair, of: node, knows: knows)
        if !template.isEmpty { pairParts = template }
      }
    case "BertProcessing":
      try node.allow(["type", "sep", "cls"])
      let (cls, sep) = try Self.enclosing(node, knows: knows)
      parts = [.special([cls]), .text, .special([sep])]
      pairParts = [
        PairPart(content: .special([cls]), type: 0), PairPart(content: .first, type: 0),
        PairPart(content: .special([sep]), type: 0), PairPart(content: .second, type: 1),
        PairPart(content: .special([sep]), type: 1),
      ]
    case "RobertaProcessing":
      // The other two settings concern offsets, which are not computed here.
      try node.allow(["type", "sep", "cls", "trim_offsets", "add_prefix_space"])
      let (cls, sep) = try Self.enclosing(node, knows: knows)
      parts = [.special([cls]), .text, .special([sep])]
      let contents: [PairPart.Content] = [
        .special([cls]), .first, .special([sep, sep]), .second, .special([sep]),
      ]
      pairParts = contents.map { PairPart(content: $0, type: 0) }
    case "ByteLevel":
      try node.allow(["type", "add_prefix_space", "trim_offsets", "use_regex"])
    case "Sequence":
      try node.allow(["type", "processors"])
      for member in try node.required("processors").elements() {
        let processor = try PostProcessor(member, knows: knows)
        if processor.isPlain { continue }
        guard isPlain else {
          throw member.malformed("a second processor that adds special tokens")
        }
        self = processor
      }
    default: throw try node.required("type").unsupported
    }
  }

  private var isPlain: Bool {
    if parts.count == 1, case .text = parts[0] { return true }
    return false
  }

  private static func template(
    _ node: ConfigurationNode, knows: (Int32) -> Bool
  ) throws(TokenizerError) -> [Part] {
    var parts: [Part] = []
    for element in try node.required("single").elements() {
      if let sequence = try element.optional("Sequence") {
        let id = try sequence.required("id")
        guard try id.string() == "A" else { throw id.unsupported }
        parts.append(.text)
      } else {
        parts.append(.special(try specialIDs(element, of: node, knows: knows)))
      }
    }
    return parts
  }

  private static func pairTemplate(
    _ pair: ConfigurationNode, of node: ConfigurationNode, knows: (Int32) -> Bool
  ) throws(TokenizerError) -> [PairPart] {
    var parts: [PairPart] = []
    for element in try pair.elements() {
      let (content, place): (PairPart.Content, ConfigurationNode)
      if let sequence = try element.optional("Sequence") {
        let id = try sequence.required("id")
        switch try id.string() {
        case "A": (content, place) = (.first, sequence)
        case "B": (content, place) = (.second, sequence)
        default: throw id.unsupported
        }
      } else {
        content = .special(try specialIDs(element, of: node, knows: knows))
        place = try element.required("SpecialToken")
      }
      let type = try place.required("type_id")
      guard let number = UInt8(exactly: try type.tokenID()) else {
        throw type.malformed("not a type of tokens")
      }
      parts.append(PairPart(content: content, type: number))
    }
    return parts
  }

  /// The ids of an element of a template that names a special token.
  private static func specialIDs(
    _ element: ConfigurationNode, of node: ConfigurationNode, knows: (Int32) -> Bool
  ) throws(TokenizerError) -> [Int32] {
    let name = try element.required("SpecialToken").required("id").string()
    var ids: [Int32] = []
    for id in try node.required("special_tokens").required(name).required("ids").elements() {
      ids.append(try knownID(id, knows: knows))
    }
    return ids
  }

  private static func enclosing(
    _ node: ConfigurationNode, knows: (Int32) -> Bool
  ) throws(TokenizerError) -> (cls: Int32, sep: Int32) {
    func id(_ key: String) throws(TokenizerError) -> Int32 {
      let pair = try node.required(key)
      let elements = try pair.elements()
      guard elements.count == 2 else { throw pair.malformed("expected a token and its id") }
      return try knownID(elements[1], knows: knows)
    }
    return (try id("cls"), try id("sep"))
  }

  private static func knownID(
    _ node: ConfigurationNode, knows: (Int32) -> Bool
  ) throws(TokenizerError) -> Int32 {
    let id = try node.tokenID()
    guard knows(id) else { throw node.malformed("no token has the id \(id)") }
    return id
  }

  func apply(to ids: [Int32], addSpecialTokens: Bool) -> [Int32] {
    if isPlain { return ids }
    var result: [Int32] = []
    result.reserveCapacity(ids.count + parts.count)
    for part in parts {
      switch part {
      case .text: result += ids
      case .special(let special): if addSpecialTokens { result += special }
      }
    }
    return result
  }

  /// Two texts together, cut to `maximumTokens` as transformers does by default ("longest_first"):
  /// from the end of the longer one, of both once they are alike.
  func apply(to first: [Int32], and second: [Int32], maximumTokens: Int) -> TokenPair {
    let added = pairParts.reduce(0) { count, part in
      if case .special(let ids) = part.content { count + ids.count } else { count }
    }
    let (firstCount, secondCount) = Self.longestFirst(
      first.count, second.count, room: max(0, maximumTokens - added))
    var pair = TokenPair()
    pair.isTruncated = firstCount < first.count || secondCount < second.count
    for part in pairParts {
      let ids =
        switch part.content {
        case .first: first[..<firstCount]
        case .second: second[..<secondCount]
        case .special(let ids): ids[...]
        }
      pair.ids += ids
      pair.types += repeatElement(part.type, count: ids.count)
    }
    return pair
  }

  /// How much is left of two texts; tokenizers' truncate_encodings.
  private static func longestFirst(_ first: Int, _ second: Int, room: Int) -> (Int, Int) {
    guard first + second > room else { return (first, second) }
    let shorter = min(first, second)
    if shorter <= room / 2 {
      return first < second ? (first, room - first) : (room - second, second)
    }
    let half = room / 2
    return first > second ? (room - half, half) : (half, room - half)
  }
}
