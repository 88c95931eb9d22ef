// OpenAI's `logit_bias`: constants added to single logits, first of all processors, as Hugging
// Face's SequenceBiasLogitsProcessor does with one-token sequences.

/// Adds a constant to the logits of some tokens.
struct LogitBias: LogitsProcessor {
  let bias: [Int32: Float]

  func process(_ logits: inout [Float], history: TokenHistory) {
    for (token, value) in bias {
      logits[Int(token)] += value
    }
  }
}
