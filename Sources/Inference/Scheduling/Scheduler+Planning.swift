// What the next step computes: who joins, who gets how many tokens, and who has to give up blocks.
//
// Streams, of which one token is missing, always get it. Prompts share what the caller allows them:
// it goes to those with the least left, a few of them side by side where they are short; the oldest is
// sure of a quarter, so that a giant neither starves the short ones behind it nor is starved by them.

import Transformer

extension Scheduler {
  /// Sequences that wait for their next token only; what a step computes for the others delays them.
  package var streamCount: Int {
    let unready = unreadyGroups
    return running.count { isStream($0, unready) }
  }

  /// Whether nothing but the next token is missing, of the sequence and of its group.
  private func isStream(_ sequence: SequenceState, _ unready: Set<SequenceState.ID>) -> Bool {
    sequence.pendingCount == 1 && !(sequence.group.map(unready.contains) ?? false)
  }

  /// Plans the next step. Blocks are taken here, counters move in `complete`.
  /// - Parameter promptTokens: the most tokens of prompts, beside one of each stream; the limit per
  ///   step holds in any case. At least one where there are no streams.
  package mutating func schedule(promptTokens: Int = .max) -> StepPlan {
    var plan = StepPlan()
    renewGrownSequences()
    admitWaiting()
    plan.copies = running.indices.compactMap { catchUp($0) }
    let counts = tokenCounts(promptTokens: promptTokens)
    var index = 0
    while index < running.count {
      let end = running[index].computedTokenCount + counts[index]
      if blocks.extend(&running[index].blocks, toHold: end) {
        plan.append(running[index], count: counts[index])
        index += 1
      } else {
        // Whoever finds no block takes those of the newest.
        plan.preempted.append(preemptNewest())
      }
    }
    holdBackIncompleteGroups(&plan)
    planDrafts(&plan)
    return plan
  }

  // MARK: - Comings and goings

  /// Has sequences that have grown beyond what their keys were computed for begin anew.
  private mutating func renewGrownSequences() {
    guard let length = limits.recomputationLength else { return }
    for index in waiting.indices {
      waiting[index].isBeyondLimit = waiting[index].tokens.count > length
    }
    for index in running.indices
    where running[index].tokens.count > length && !running[index].isBeyondLimit {
      running[index].isBeyondLimit = true
      blocks.release(&running[index].blocks)
      running[index].computedTokenCount = 0
      running[index].sharedBlockCount = 0
    }
  }

  /// Takes from the queue, in order, what fits, with what the cache holds of it. A sequence is
  /// admitted when all of its tokens find room beside all of the running ones' tokens and a block of
  /// growth for each of those, so that prompts never preempt each other: only generated tokens can
  /// run out of blocks.
  private mutating func admitWaiting() {
    var promised = running.reduce(0) { $0 + missingBlockCount($1) }
    while running.count < limits.maximumSequences, var next = waiting.first {
      reuseCache(for: &next)
      let missing = missingBlockCount(next)
      guard missing + promised + running.count <= blocks.freeCount || running.isEmpty else {
        blocks.release(&next.blocks)
        return
      }
      promised += missing
      waiting.removeFirst()
      running.append(next)
    }
  }

  /// Blocks that a sequence's tokens still need.
  private func missingBlockCount(_ sequence: SequenceState) -> Int {
    max(0, blocks.blocksNeeded(for: sequence.tokens.count) - sequence.blocks.count)
  }

  /// The newest sequence goes back to the front of the queue and will be computed again. Spans are
  /// planned oldest first, so a planned sequence is never the victim.
  private mutating func preemptNewest() -> SequenceState.ID {
    var victim = running.removeLast()
    blocks.release(&victim.blocks)
    victim.computedTokenCount = 0
    victim.sharedBlockCount = 0
    victim.drafts = []
    waiting.insert(victim, at: 0)
    return victim.id
  }

  // MARK: - Shares

  /// Prompts that so many whole steps can compute go on side by side. Streams that begin together
  /// share each pass over the weights, while beside one that begins alone the others' prompts get few
  /// tokens per step; of longer prompts, the first would have to wait too long for the last.
  private static let stepsSideBySide = 3

  /// How many tokens of each running sequence the step computes.
  private func tokenCounts(promptTokens: Int) -> [Int] {
    let unready = unreadyGroups
    var counts = running.map { isStream($0, unready) ? 1 : 0 }
    let prompts = running.indices.filter { running[$0].pendingCount > 1 }
    guard let oldest = prompts.first else { return counts }
    let streamCount = counts.reduce(0, +)
    // A limit of at least one token per sequence leaves some to prompts.
    var left = min(
      max(promptTokens, streamCount == 0 ? 1 : 0), limits.tokensPerStep - streamCount)
    guard left > 0 else { return counts }
    // Streams, and prompts of which nobody wants logits, have a row each.
    var rows = limits.logitRowsPerStep - running.count

    func give(_ most: Int, to index: Int) {
      var count = max(0, min(most, left, running[index].sharesCount - counts[index]))
      if running[index].wantsPromptLogits {
        count = min(count, rows)
        rows -= count
      }
      counts[index] += count
      left -= count
    }

    func offer(_ most: Int, to index: Int) {
      let others = prompts.filter { counts[$0] > 0 }
      if let (other, end) = filler(ofNextBlockOf: index, among: others) {
        // Waits for the other, which goes first as far as that is needed.
        give(end - running[other].computedTokenCount - counts[other], to: other)
      } else {
        give(most, to: index)
      }
    }

    let byLength = prompts.sorted {
      (running[$0].pendingCount, $0) < (running[$1].pendingCount, $1)
    }
    let together = streamCount == 0 ? sideBySide(byLength) : byLength.prefix(1)
    if !together.contains(oldest) { give((left + 3) / 4, to: oldest) }
    for (place, index) in together.enumerated() {
      let sharers = together.count - place
      offer((left + sharers - 1) / sharers, to: index)
    }
    for index in byLength { offer(left, to: index) }
    return counts
  }

  /// The first of `prompts`, as many as a few steps can compute. Whole prompts count, so that those
  /// which are under way aren't joined by ever more of those behind them.
  private func sideBySide(_ prompts: [Int]) -> ArraySlice<Int> {
    var room = Self.stepsSideBySide * limits.tokensPerStep
    let fitting = prompts.prefix {
      room -= running[$0].tokens.count
      return room >= 0
    }
    return fitting.isEmpty ? prompts.prefix(1) : fitting
  }
}

extension StepPlan {
  fileprivate mutating func append(_ sequence: SequenceState, count: Int) {
    guard count > 0 else { return }
    entries.append(
      Entry(
        id: sequence.id, group: sequence.group, span: sequence.span(count: count),
        reachesEnd: count == sequence.pendingCount, isStream: sequence.pendingCount == 1))
  }
}
