// Decides what each step computes: running sequences first, then waiting ones in order of arrival,
// within one budget of tokens. A plain value without clocks, threads or models, driven by
// `schedule` and `complete`.
//
// Relies on `blockCount * blockSize` tokens being enough for the longest sequence: the oldest
// running sequence can then always go on, and so every sequence ends.

package import Transformer

/// What one step computes.
package struct StepPlan: Sendable {
  package struct Entry: Sendable {
    package let id: SequenceState.ID
    package let span: Batch.Span
    /// Whether the span reaches the sequence's last token, so that the next one can be sampled.
    package let reachesEnd: Bool
  }

  package var entries: [Entry] = []
  /// Sequences that lost their blocks in this step, newest first.
  package var preempted: [SequenceState.ID] = []

  package var batch: Batch { Batch(spans: entries.map(\.span)) }
}

/// The sequences of the engine, running and waiting.
package struct Scheduler: Sendable {
  package struct Limits: Sendable {
    package let maximumSequences: Int
    /// At least `maximumSequences`, so that each sequence gets one.
    package let tokensPerStep: Int
    /// Rows of logits per step: one per sequence, and more for prompts that want theirs.
    package let logitRowsPerStep: Int

    /// Brings settings from outside into a range in which nothing overflows.
    package init(maximumSequences: Int, tokensPerStep: Int, promptLogitRowsPerStep: Int) {
      self.maximumSequences = min(max(1, maximumSequences), 1_024)
      self.tokensPerStep = max(tokensPerStep, self.maximumSequences)
      logitRowsPerStep = self.maximumSequences + min(max(0, promptLogitRowsPerStep), 1_024)
    }
  }

  package let limits: Limits
  package private(set) var blocks: BlockManager
  /// In order of admission, oldest first.
  package private(set) var running: [SequenceState] = []
  /// In order of arrival; preempted sequences come back to the front.
  package private(set) var waiting: [SequenceState] = []

  package init(limits: Limits, blockCount: Int, blockSize: Int) {
    self.limits = limits
    blocks = BlockManager(blockCount: blockCount, blockSize: blockSize)
  }

  package var isIdle: Bool { running.isEmpty && waiting.isEmpty }

  /// Puts a sequence at the end of the queue.
  package mutating func add(_ sequence: SequenceState) {
    waiting.append(sequence)
  }

  /// Drops a sequence wherever it is and frees its blocks. Unknown ids are ignored.
  package mutating func remove(_ id: SequenceState.ID) {
    if let index = running.firstIndex(where: { $0.id == id }) {
      blocks.release(&running[index].blocks)
      running.remove(at: index)
    } else if let index = waiting.firstIndex(where: { $0.id == id }) {
      waiting.remove(at: index)
    }
  }

  /// Appends a sampled token to a running sequence.
  package mutating func append(_ token: Int32, to id: SequenceState.ID) {
    guard let index = running.firstIndex(where: { $0.id == id }) else { return }
    running[index].append(token)
  }

  /// Plans the next step. Blocks are taken here, counters move in `complete`.
  package mutating func schedule() -> StepPlan {
    var plan = StepPlan()
    var budget = Budget(tokens: limits.tokensPerStep, logitRows: limits.logitRowsPerStep)
    planRunning(&plan, &budget)
    if plan.preempted.isEmpty { admitWaiting(&plan, &budget) }
    return plan
  }

  /// Records that the spans of `plan` were computed. Sequences removed meanwhile are skipped.
  package mutating func complete(_ plan: StepPlan) {
    for entry in plan.entries {
      guard let index = running.firstIndex(where: { $0.id == entry.id }) else { continue }
      let end = entry.span.start + entry.span.tokens.count
      running[index].computedTokenCount = end
      shareFullBlocks(ofRunning: index)
      if running[index].wantsPromptLogits {
        running[index].nextPromptLogits = min(
          max(end, running[index].nextPromptLogits), running[index].promptCount)
      }
    }
  }

  // MARK: - Planning

  fileprivate struct Budget {
    var tokens: Int
    var logitRows: Int

    mutating func spend(_ span: Batch.Span) {
      tokens -= span.tokens.count
      logitRows -= span.logitCount
    }
  }

  /// Every running sequence gets at least one token: each takes what the budget holds, less one
  /// token for every sequence behind it. Whoever finds no block takes those of the newest.
  private mutating func planRunning(_ plan: inout StepPlan, _ budget: inout Budget) {
    var index = 0
    while index < running.count {
      let count = grant(running[index], budget, reserved: running.count - index - 1)
      let needed = running[index].computedTokenCount + count
      if blocks.extend(&running[index].blocks, toHold: needed) {
        let entry = entry(for: running[index], count: count)
        plan.entries.append(entry)
        budget.spend(entry.span)
        index += 1
      } else {
        plan.preempted.append(preemptNewest())
      }
    }
  }

  /// The newest sequence goes back to the front of the queue and will be computed again. Spans are
  /// planned oldest first, so a planned sequence is never the victim.
  private mutating func preemptNewest() -> SequenceState.ID {
    var victim = running.removeLast()
    blocks.release(&victim.blocks)
    victim.computedTokenCount = 0
    victim.sharedBlockCount = 0
    waiting.insert(victim, at: 0)
    return victim.id
  }

  /// Takes from the queue, in order, what fits, with what the cache holds of it. A sequence is
  /// admitted when all of its tokens find room beside all of the running ones' tokens and a block of
  /// growth for each of those, so that prefills never preempt each other: only generated tokens can
  /// run out of blocks.
  private mutating func admitWaiting(_ plan: inout StepPlan, _ budget: inout Budget) {
    var promised = running.reduce(0) {
      $0 + max(0, blocks.blocksNeeded(for: $1.tokens.count) - $1.blocks.count)
    }
    while running.count < limits.maximumSequences, let next = waiting.first,
      budget.tokens > 0, budget.logitRows > 0
    {
      var sequence = next
      reuseCache(for: &sequence)
      let missing = blocks.blocksNeeded(for: sequence.tokens.count) - sequence.blocks.count
      let count = grant(sequence, budget, reserved: 0)
      guard missing + promised + running.count <= blocks.freeCount || running.isEmpty,
        blocks.extend(&sequence.blocks, toHold: sequence.computedTokenCount + count)
      else {
        blocks.release(&sequence.blocks)
        return
      }
      waiting.removeFirst()
      promised += blocks.blocksNeeded(for: sequence.tokens.count) - sequence.blocks.count
      running.append(sequence)
      let entry = entry(for: sequence, count: count)
      plan.entries.append(entry)
      budget.spend(entry.span)
    }
  }

  /// Has the sequence begin behind the longest prefix that the cache holds.
  private mutating func reuseCache(for sequence: inout SequenceState) {
    while sequence.computedTokenCount + blocks.blockSize <= sequence.reusableTokenCount {
      let end = sequence.computedTokenCount + blocks.blockSize
      guard
        blocks.reuse(
          sequence.tokens[sequence.computedTokenCount..<end], behind: &sequence.blocks,
          namespace: sequence.namespace)
      else { return }
      sequence.computedTokenCount = end
      sequence.sharedBlockCount += 1
    }
  }

  /// Lets others find the blocks that have become full.
  private mutating func shareFullBlocks(ofRunning index: Int) {
    let sequence = running[index]
    for position in sequence.sharedBlockCount..<sequence.computedTokenCount / blocks.blockSize {
      let start = position * blocks.blockSize
      blocks.share(
        sequence.tokens[start..<start + blocks.blockSize], at: position, of: &running[index].blocks,
        namespace: sequence.namespace)
      running[index].sharedBlockCount += 1
    }
  }

  /// How many tokens a sequence may compute now, leaving `reserved` for others.
  private func grant(_ sequence: SequenceState, _ budget: Budget, reserved: Int) -> Int {
    var count = min(sequence.pendingCount, budget.tokens - reserved)
    if sequence.wantsPromptLogits { count = min(count, budget.logitRows - reserved) }
    return count
  }

  private func entry(for sequence: SequenceState, count: Int) -> StepPlan.Entry {
    StepPlan.Entry(
      id: sequence.id, span: sequence.span(count: count),
      reachesEnd: count == sequence.pendingCount)
  }
}
