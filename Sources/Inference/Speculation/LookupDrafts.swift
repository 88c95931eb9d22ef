// Drafts for one sequence by looking up its last tokens in what it holds so far. The guess is made
// and compared with what is generated at every step, also while none of it is computed along: that
// costs next to nothing, and tells when drafting would pay again.

/// Guesses at how one sequence goes on.
struct LookupDrafts: Sendable {
  private var index = NGramIndex()
  private var acceptance = DraftAcceptance()
  private var guess: [Int32] = []

  /// What to compute behind `tokens` in the next step: at most `limit` tokens, and no more than are
  /// worth it.
  mutating func propose(
    after tokens: [Int32], limit: Int, cost: DraftCost, sequenceCount: Int
  ) -> [Int32] {
    guess = index.continuation(of: tokens, count: min(limit, DraftCost.maximumCount))
    let count = acceptance.worthwhileCount(cost: cost.share, sequenceCount: sequenceCount)
    return Array(guess.prefix(count))
  }

  /// Learns from the tokens that came instead.
  mutating func settle(_ tokens: [Int32]) {
    let right = zip(guess, tokens).prefix { $0 == $1 }.count
    acceptance.note(right: right, of: min(right + 1, guess.count, tokens.count))
    guess = []
  }
}
