// OpenAI's presence and frequency penalties: over the output only, never the prompt. One processor,
// since both subtract from the same logits.

/// Makes generated tokens less likely, by constants.
struct OccurrencePenalty: LogitsProcessor {
  /// Subtracted once.
  let presence: Float
  /// Subtracted per occurrence.
  let frequency: Float

  func process(_ logits: inout [Float], history: TokenHistory) {
    for (token, count) in history.outputCounts {
      logits[Int(token)] -= presence + frequency * Float(count)
    }
  }
}
