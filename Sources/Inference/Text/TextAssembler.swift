// Tokens to text: detokenizer, then stop strings, then deltas that carry the tokens their text came
// from. A plain value; concatenating its deltas gives the text of a non-streamed answer, because
// that answer is made of the same deltas.

/// A token and where its text begins in the generated text.
package struct AlignedToken: Sendable, Equatable {
  package var token: GeneratedToken
  /// In Unicode scalars.
  package var textOffset: Int

  package init(token: GeneratedToken, textOffset: Int) {
    self.token = token
    self.textOffset = textOffset
  }
}

/// A piece of generated text.
package struct TextDelta: Sendable, Equatable {
  package var text: String
  /// The tokens whose text is complete with this delta. Tokens of a stop string are left out.
  package var tokens: [AlignedToken]

  package init(text: String, tokens: [AlignedToken]) {
    self.text = text
    self.tokens = tokens
  }

  package var isEmpty: Bool { text.isEmpty && tokens.isEmpty }
}

/// Assembles one generation's text.
package struct TextAssembler: Sendable {
  private struct Pending: Sendable {
    let aligned: AlignedToken
    /// Where its text ends, in Unicode scalars.
    let end: Int
  }

  private var decoder: any TokenDecoder
  private var matcher: StopMatcher
  /// Tokens whose text is still held back, in order.
  private var pending: [Pending] = []
  /// Unicode scalars decoded and passed on so far.
  private var decodedCount = 0
  private var emittedCount = 0
  /// The stop string that ended the text.
  package private(set) var matchedStop: String?

  package init(decoder: any TokenDecoder, stops: [String]) {
    self.decoder = decoder
    matcher = StopMatcher(stops: stops)
  }

  /// Takes a token; no text, no delta. Nothing more comes once `matchedStop` is set.
  package mutating func append(_ token: GeneratedToken) -> TextDelta? {
    guard matchedStop == nil else { return nil }
    let text = decoder.append(token.id)
    let start = decodedCount
    decodedCount += text.unicodeScalars.count
    pending.append(
      Pending(aligned: AlignedToken(token: token, textOffset: start), end: decodedCount))
    let output = matcher.append(text)
    matchedStop = output.match
    let delta = emit(output.text, isLast: matchedStop != nil)
    return delta.isEmpty ? nil : delta
  }

  /// The end of the tokens: the rest of the text, which may still contain a stop string.
  package mutating func finish() -> TextDelta? {
    guard matchedStop == nil else { return nil }
    let rest = decoder.finish()
    decodedCount += rest.unicodeScalars.count
    let output = matcher.append(rest)
    matchedStop = output.match
    let delta = emit(output.text + matcher.finish(), isLast: true)
    return delta.isEmpty ? nil : delta
  }

  /// Pairs text with the tokens that it completes; the last delta takes all that have a part in the
  /// text, but none that begin in the stop string.
  private mutating func emit(_ text: String, isLast: Bool) -> TextDelta {
    emittedCount += text.unicodeScalars.count
    guard isLast || !text.isEmpty else { return TextDelta(text: "", tokens: []) }
    let count =
      pending.firstIndex { isLast ? isCutOff($0) : $0.end > emittedCount } ?? pending.count
    let tokens = pending.prefix(count).map(\.aligned)
    pending.removeFirst(count)
    return TextDelta(text: text, tokens: tokens)
  }

  private func isCutOff(_ token: Pending) -> Bool {
    matchedStop != nil && token.aligned.textOffset >= emittedCount
  }
}
