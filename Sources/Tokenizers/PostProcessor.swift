// Post-processors of tokenizer.json: the special tokens around an encoded text. Only the form for a
// single text is kept; templates for pairs are read past.

struct PostProcessor: Sendable {
  enum Part: Sendable {
    case text
    case special([Int32])
  }

  private var parts: [Part]

  init(_ parts: [Part] = [.text]) { self.parts = parts }

  init(_ node: ConfigurationNode, knows: (Int32) -> Bool) throws(TokenizerError) {
    parts = [.text]
    switch try node.type() {
    case "TemplateProcessing":
      try node.allow(["type", "single", "pair", "special_tokens"])
      parts = try Self.template(node, knows: knows)
    case "BertProcessing":
      try node.allow(["type", "sep", "cls"])
      parts = try Self.enclosing(node, knows: knows)
    case "RobertaProcessing":
      // The other two settings concern offsets, which are not computed here.
      try node.allow(["type", "sep", "cls", "trim_offsets", "add_prefix_space"])
      parts = try Self.enclosing(node, knows: knows)
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
        parts = processor.parts
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
    let special = try node.required("special_tokens")
    var parts: [Part] = []
    for element in try node.required("single").elements() {
      if let sequence = try element.optional("Sequence") {
        let id = try sequence.required("id")
        guard try id.string() == "A" else { throw id.unsupported }
        parts.append(.text)
      } else {
        let name = try element.required("SpecialToken").required("id").string()
        var ids: [Int32] = []
        for id in try special.required(name).required("ids").elements() {
          ids.append(try knownID(id, knows: knows))
        }
        parts.append(.special(ids))
      }
    }
    return parts
  }

  private static func enclosing(
    _ node: ConfigurationNode, knows: (Int32) -> Bool
  ) throws(TokenizerError) -> [Part] {
    func id(_ key: String) throws(TokenizerError) -> Int32 {
      let pair = try node.required(key)
      let elements = try pair.elements()
      guard elements.count == 2 else { throw pair.malformed("expected a token and its id") }
      return try knownID(elements[1], knows: knows)
    }
    return [.special([try id("cls")]), .text, .special([try id("sep")])]
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
}
