// Finding the tokens that steer a conversation, such as `<|im_end|>`, in text that users wrote, and
// marking them there through a template with two private-use characters around each, as transformers'
// `mark_control_tokens` does: whatever the template does to the text, the marks stay with the token.

import JSON

struct ControlTokens: Sendable {
  private static let start: Unicode.Scalar = "\u{F0000}"
  private static let end: Unicode.Scalar = "\u{F0001}"

  let tokens: [String]
  private var trie = TokenTrie()

  init(_ tokens: [String]) {
    self.tokens = tokens
    for (index, token) in tokens.enumerated() { trie.insert(Array(token.utf8), index) }
  }

  /// The control tokens in a text, the longest at each place, and what lies between them.
  func parts(of text: String) -> [(text: String, isControl: Bool)] {
    let bytes = Array(text.utf8)
    var parts: [(text: String, isControl: Bool)] = []
    var start = 0
    while let match = trie.firstMatch(in: bytes, from: start) {
      if start < match.range.lowerBound {
        parts.append(
          (String(decoding: bytes[start..<match.range.lowerBound], as: UTF8.self), false))
      }
      parts.append((tokens[match.value], true))
      start = match.range.upperBound
    }
    if start < bytes.count {
      parts.append((String(decoding: bytes[start...], as: UTF8.self), false))
    }
    return parts
  }

  // MARK: - Marks

  /// The value with marks around the control tokens in its texts; keys stay as they are.
  func marked(_ value: JSONValue) -> JSONValue {
    switch value {
    case .string(let text): .string(marked(text))
    case .array(let elements): .array(elements.map(marked))
    case .object(let object): .object(object.mapValues(marked))
    case .null, .bool, .integer, .double: value
    }
  }

  private func marked(_ text: String) -> String {
    // Marks that are there already could be used to forge one.
    let isMarked = text.unicodeScalars.contains { $0 == Self.start || $0 == Self.end }
    var clean = text
    if isMarked { clean.unicodeScalars.removeAll { $0 == Self.start || $0 == Self.end } }
    return parts(of: clean).map { part in
      part.isControl ? "\(Self.start)\(part.text)\(Self.end)" : part.text
    }.joined()
  }

  /// A rendered text with its marks made into literal segments. A lone mark, which a template leaves
  /// when it cuts a text, becomes an empty one: the text must not join into a token there.
  func unmarked(_ rendered: String) -> [RenderedPrompt.Segment] {
    var segments: [RenderedPrompt.Segment] = []
    var text = String.UnicodeScalarView()
    func flush() {
      if !text.isEmpty { segments.append(.init(text: String(text), isLiteral: false)) }
      text.removeAll()
    }
    let scalars = rendered.unicodeScalars
    var index = scalars.startIndex
    while index < scalars.endIndex {
      let scalar = scalars[index]
      guard scalar == Self.start || scalar == Self.end else {
        text.append(scalar)
        index = scalars.index(after: index)
        continue
      }
      flush()
      index = scalars.index(after: index)
      var literal = ""
      if scalar == Self.start, let stop = scalars[index...].firstIndex(of: Self.end),
        case let inner = String(scalars[index..<stop]), known.contains(inner)
      {
        literal = inner
        index = scalars.index(after: stop)
      }
      segments.append(.init(text: literal, isLiteral: true))
    }
    flush()
    return segments
  }

  private var known: Set<String> { Set(tokens) }
}
