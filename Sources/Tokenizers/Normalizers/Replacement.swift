// `Replace` of tokenizer.json, a normaliser and a decoder: every match of a text or a regular
// expression, from the left, becomes another text.

struct Replacement: Sendable {
  enum Pattern: Sendable {
    case literal([UInt8])
    case expression(RegularExpression)
  }

  let pattern: Pattern
  let content: [UInt8]

  init(literal: [UInt8], content: [UInt8]) {
    pattern = .literal(literal)
    self.content = content
  }

  init(_ node: ConfigurationNode) throws(TokenizerError) {
    try node.allow(["type", "pattern", "content"])
    let pattern = try node.required("pattern")
    if let literal = try pattern.optional("String") {
      let bytes = Array(try literal.string().utf8)
      if bytes.isEmpty { throw literal.malformed("an empty pattern matches nowhere in particular") }
      self.pattern = .literal(bytes)
    } else {
      self.pattern = .expression(try RegularExpression(pattern.required("Regex")))
    }
    content = Array(try node.required("content").string().utf8)
  }

  func apply(to bytes: [UInt8]) -> [UInt8] { replace(in: bytes).result }

  func apply(to text: inout NormalizedText) {
    if text.bytes.isEmpty { return }
    let (result, head) = replace(in: text.bytes)
    if !head.isEmpty {
      // The replacement is aligned with the last scalar that it replaces.
      let scalars = text.bytes[head].count { $0 & 0xC0 != 0x80 }
      if scalars > 1 || content.isEmpty { text.startsInput = false }
    }
    text.bytes = result
  }

  /// `head` is what was replaced at the very start.
  private func replace(in bytes: [UInt8]) -> (result: [UInt8], head: Range<Int>) {
    switch pattern {
    case .literal(let literal):
      let head = bytes.starts(with: literal) ? literal.indices : 0..<0
      return (bytes.replacing(literal, with: content), head)
    case .expression(let expression):
      var result: [UInt8] = []
      var head = 0..<0
      var start = 0
      expression.forEachMatch(in: bytes, bytes.indices) { match in
        if match.lowerBound == 0 { head = match }
        result += bytes[start..<match.lowerBound]
        result += content
        start = match.upperBound
      }
      return (result + bytes[start...], head)
    }
  }
}
