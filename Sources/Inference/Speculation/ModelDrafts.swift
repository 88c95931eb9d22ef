// How many drafts of one sequence a model is asked for. Unlike a look-up, asking costs time: a
// sequence whose drafts didn't come true is asked for one again now and then.

/// How a draft model does on one sequence.
struct ModelDrafts: Sendable {
  private var acceptance = DraftAcceptance()
  private var stepsWithout = 0

  /// Steps without drafts after which one is tried.
  private static let patience = 64

  /// Drafts to make for the next step.
  mutating func count(limit: Int, cost: DraftCost, sequenceCount: Int) -> Int {
    let count = acceptance.worthwhileCount(cost: cost.share, sequenceCount: sequenceCount)
    stepsWithout = count > 0 || stepsWithout >= Self.patience ? 0 : stepsWithout + 1
    return max(0, min(limit, stepsWithout == 0 ? max(1, count) : 0))
  }

  /// Learns from the tokens that came.
  mutating func settle(_ drafts: some Collection<Int32>, _ tokens: [Int32]) {
    let right = zip(drafts, tokens).prefix { $0 == $1 }.count
    acceptance.note(right: right, of: min(right + 1, drafts.count, tokens.count))
  }
}
