// The CTRL paper's penalty (arXiv 1909.05858) as transformers has it: over prompt and output, once
// per distinct token, and away from zero to the negative side for either sign.

/// Makes tokens that occurred before less likely, by a factor.
struct RepetitionPenalty: LogitsProcessor {
  let penalty: Float

  func process(_ logits: inout [Float], history: TokenHistory) {
    for token in history.seen {
      let logit = logits[Int(token)]
      logits[Int(token)] = logit < 0 ? logit * penalty : logit / penalty
    }
  }
}
