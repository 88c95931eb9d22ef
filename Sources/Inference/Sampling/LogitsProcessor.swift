// The first half of sampling: processors rewrite the logits of a few tokens in place, looking at
// the tokens so far. The second half, `CandidateFilter`, only removes tokens.

/// Changes logits before the temperature is applied.
protocol LogitsProcessor: Sendable {
  /// `logits` is one row `[V]`; every token in `history` is below `V`.
  func process(_ logits: inout [Float], history: TokenHistory)
}

/// The tokens of a sequence as penalties see them.
package struct TokenHistory: Sendable {
  /// Tokens in the prompt or the output.
  private(set) var seen: Set<Int32>
  /// How often each token was generated.
  private(set) var outputCounts: [Int32: Int] = [:]

  package init(prompt: [Int32]) {
    seen = Set(prompt)
  }

  package mutating func append(_ token: Int32) {
    seen.insert(token)
    outputCounts[token, default: 0] += 1
  }
}
