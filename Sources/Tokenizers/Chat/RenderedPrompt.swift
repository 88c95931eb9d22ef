// A rendered conversation that still knows what its author wrote and what users did, so that the text
// of a control token in a message stays text. As transformers' `sanitize_control_tokens`.

package struct RenderedPrompt: Sendable, Hashable {
  package struct Segment: Sendable, Hashable {
    package var text: String
    /// Text from outside the template: control tokens in it are plain text. An empty literal segment
    /// keeps the text on its two sides apart.
    package var isLiteral: Bool

    package init(text: String, isLiteral: Bool) {
      self.text = text
      self.isLiteral = isLiteral
    }
  }

  package var segments: [Segment]
  /// Tokens that literal segments must not contain, besides the tokenizer's special ones.
  package var controlTokens: [String]

  package init(segments: [Segment], controlTokens: [String] = []) {
    self.segments = segments
    self.controlTokens = controlTokens
  }

  package var text: String { segments.map(\.text).joined() }
}

extension Tokenizer {
  /// The ids of a rendered conversation; special tokens are those that the template wrote.
  ///
  /// The text is encoded as a whole, over the borders of segments, and cut only around control tokens
  /// in literal segments.
  package func encode(_ prompt: RenderedPrompt) -> [Int32] {
    let pieces = self.pieces(of: prompt)
    var ids = encode(pieces[0].text, addSpecialTokens: false)
    for piece in pieces.dropFirst() where !piece.text.isEmpty {
      ids += piece.isLiteral ? encodeLiteral(piece.text) : encodeInside(piece.text, asText: false)
    }
    return ids
  }

  /// Control tokens of literal segments, and the text before, between and after them; the first piece
  /// is not literal.
  private func pieces(of prompt: RenderedPrompt) -> [RenderedPrompt.Segment] {
    let control = ControlTokens(specialTokenContents + prompt.controlTokens)
    var pieces = [RenderedPrompt.Segment(text: "", isLiteral: false)]
    for segment in prompt.segments {
      if !segment.isLiteral {
        pieces[pieces.count - 1].text += segment.text
        continue
      }
      if segment.text.isEmpty { pieces.append(.init(text: "", isLiteral: false)) }
      for part in control.parts(of: segment.text) {
        if part.isControl {
          pieces.append(.init(text: part.text, isLiteral: true))
          pieces.append(.init(text: "", isLiteral: false))
        } else {
          pieces[pieces.count - 1].text += part.text
        }
      }
    }
    return pieces
  }

  /// A control token as text. Where its text comes out as that very token all the same, because the
  /// model's own vocabulary has it, it is encoded in two halves.
  private func encodeLiteral(_ text: String) -> [Int32] {
    let ids = encodeInside(text, asText: true)
    guard let token = id(of: text), ids.contains(token), text.unicodeScalars.count > 1 else {
      return ids
    }
    let scalars = Array(text.unicodeScalars)
    let half = scalars.count / 2
    return encodeLiteral(string(scalars[..<half])) + encodeLiteral(string(scalars[half...]))
  }

  private func string(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
    var text = ""
    text.unicodeScalars += scalars
    return text
  }

  /// Encodes a piece from the middle of a text: after a newline, which is then taken off again, so
  /// that tokenizers that prepend a blank at the start of a text don't.
  private func encodeInside(_ text: String, asText: Bool) -> [Int32] {
    func ids(_ text: String) -> [Int32] {
      asText ? encodeIgnoringAddedTokens(text) : encode(text, addSpecialTokens: false)
    }
    let newline = encode("\n", addSpecialTokens: false)
    let following = ids("\n" + text)
    return following.starts(with: newline) ? Array(following.dropFirst(newline.count)) : ids(text)
  }
}
