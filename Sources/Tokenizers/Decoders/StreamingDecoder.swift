// Ids to text one at a time. All pieces put together are the text of all ids: the decoder of whole
// sequences is this one run to its end. Incomplete UTF-8 is held back; a run of byte-fallback tokens is
// held back to its end, because one bad byte makes all of it U+FFFD.

package struct StreamingDecoder: Sendable {
  private let definition: TokenizerDefinition
  private let skipsSpecialTokens: Bool
  private var tokenStages: [TokenStage]
  private var textStages: [TextStage]

  init(_ definition: TokenizerDefinition, skipsSpecialTokens: Bool) {
    self.definition = definition
    self.skipsSpecialTokens = skipsSpecialTokens
    tokenStages = definition.decodingPlan.tokenSteps.map(TokenStage.init)
    textStages = definition.decodingPlan.textSteps.map(TextStage.init)
  }

  /// The text that is certain now; empty while it isn't. Ids without a token are skipped.
  package mutating func append(_ id: Int32) -> String {
    guard let token = definition.decodedToken(id) else { return "" }
    if skipsSpecialTokens, definition.addedTokens.isSpecial(token) { return "" }
    return String(decoding: run([token], isLast: false), as: UTF8.self)
  }

  /// The text that was held back.
  package mutating func finish() -> String {
    String(decoding: run([], isLast: true), as: UTF8.self)
  }

  mutating func run(_ tokens: [[UInt8]], isLast: Bool) -> [UInt8] {
    var tokens = tokens
    for stage in tokenStages.indices {
      var output: [[UInt8]] = []
      for token in tokens { tokenStages[stage].append(token, to: &output) }
      if isLast { tokenStages[stage].finish(into: &output) }
      tokens = output
    }
    if textStages.isEmpty { return Array(tokens.joined()) }
    var result: [UInt8] = []
    for token in tokens { result += pass(token, from: 0) }
    if isLast {
      for stage in textStages.indices {
        result += pass(textStages[stage].finish(), from: stage + 1)
      }
    }
    return result
  }

  private mutating func pass(_ text: [UInt8], from first: Int) -> [UInt8] {
    var text = text
    for stage in textStages.indices.dropFirst(first) { text = textStages[stage].append(text) }
    return text
  }
}
