// The scheduler without engine or model: order, budgets and preemption.

import Inference
import Testing

@Suite struct SchedulerTests {
  private func scheduler(
    sequences: Int = 4, tokens: Int = 16, promptRows: Int = 4, blocks: Int = 64
  ) -> Scheduler {
    Scheduler(
      limits: Scheduler.Limits(
        maximumSequences: sequences, tokensPerStep: tokens, promptLogitRowsPerStep: promptRows),
      blockCount: blocks, blockSize: 4)
  }

  /// Prompts of different salts have no block in common.
  private func prompt(_ count: Int, salt: Int32 = 0) -> [Int32] {
    (0..<Int32(count)).map { $0 % 7 + salt * 10 }
  }

  /// Plans, completes and appends a token to every sequence that reached its end.
  private func step(_ scheduler: inout Scheduler) -> StepPlan {
    let plan = scheduler.schedule()
    scheduler.complete(plan)
    for entry in plan.entries where entry.reachesEnd { scheduler.append([9], to: entry.id) }
    #expect(scheduler.brokenInvariants == [])
    return plan
  }

  @Test func aLongPromptIsComputedInChunks() {
    var scheduler = scheduler()
    scheduler.add(SequenceState(id: 1, prompt: prompt(40)))
    let plans = (0..<4).map { _ in step(&scheduler) }
    #expect(plans.map { $0.entries[0].span.start } == [0, 16, 32, 40])
    #expect(plans.map { $0.entries[0].span.tokens.count } == [16, 16, 8, 1])
    #expect(plans.map { $0.entries[0].span.logitCount } == [0, 0, 1, 1])
    #expect(plans.map { $0.entries[0].reachesEnd } == [false, false, true, true])
  }

  /// Models with two sets of rotary frequencies: keys of the one are no use to sequences of the other.
  @Test func aSequenceThatOutgrowsItsKeysIsComputedAnew() {
    var limits = Scheduler.Limits(
      maximumSequences: 4, tokensPerStep: 16, promptLogitRowsPerStep: 4)
    limits.recomputationLength = 6
    var scheduler = Scheduler(limits: limits, blockCount: 64, blockSize: 4)
    scheduler.add(SequenceState(id: 1, prompt: prompt(5)))
    let spans = (0..<4).map { _ in step(&scheduler).entries[0].span }
    #expect(spans.map(\.start) == [0, 5, 0, 7])
    #expect(spans.map(\.tokens.count) == [5, 1, 7, 1])
    #expect(spans.map(\.sequenceLength) == [5, 6, 7, 8])
    // Each finds the block of its own kind; the third copies what the first has begun to fill, too.
    scheduler.add(SequenceState(id: 2, prompt: prompt(6)))
    scheduler.add(SequenceState(id: 3, prompt: prompt(5) + [9, 9]))
    let others = step(&scheduler).entries.filter { $0.id > 1 }.map(\.span)
    #expect(others.map(\.start) == [4, 6])
    #expect(others[0].blocks[0] == spans[0].blocks[0])
    #expect(others[1].blocks[0] == spans[2].blocks[0])
    #expect(others[0].blocks[0] != others[1].blocks[0])
  }

  @Test func draftsEndWhereKeysChange() {
    var limits = Scheduler.Limits(
      maximumSequences: 4, tokensPerStep: 16, promptLogitRowsPerStep: 4)
    limits.recomputationLength = 8
    var scheduler = Scheduler(limits: limits, blockCount: 64, blockSize: 4)
    scheduler.add(SequenceState(id: 1, prompt: prompt(5)))
    _ = step(&scheduler)
    scheduler.propose([1, 2, 3, 4, 5], for: 1)
    #expect(scheduler.schedule().entries[0].draftCount == 2)
  }

  @Test func aPrefillLeavesEveryDecodeItsToken() {
    var scheduler = scheduler()
    scheduler.add(SequenceState(id: 1, prompt: prompt(100)))
    _ = step(&scheduler)
    // A long prefill runs already; a short newcomer waits for budget that is never all taken.
    scheduler.add(SequenceState(id: 2, prompt: prompt(3)))
    scheduler.add(SequenceState(id: 3, prompt: prompt(3)))
    var tokensOfNewcomers = 0
    for _ in 0..<8 {
      let plan = step(&scheduler)
      #expect(plan.entries.reduce(0) { $0 + $1.span.tokens.count } <= 16)
      tokensOfNewcomers += plan.entries.filter { $0.id > 1 }.count
    }
    #expect(tokensOfNewcomers > 0)
  }

  @Test func admissionIsInOrderOfArrivalAndBounded() {
    var scheduler = scheduler(sequences: 2)
    for id in 1...4 {
      scheduler.add(SequenceState(id: UInt64(id), prompt: prompt(2, salt: Int32(id))))
    }
    #expect(step(&scheduler).entries.map(\.id) == [1, 2])
    scheduler.remove(1)
    #expect(step(&scheduler).entries.map(\.id) == [2, 3])
    #expect(scheduler.waiting.map(\.id) == [4])
  }

  @Test func aPromptThatDoesNotFitWaitsForBlocks() {
    var scheduler = scheduler(tokens: 64, blocks: 10)
    scheduler.add(SequenceState(id: 1, prompt: prompt(24)))
    scheduler.add(SequenceState(id: 2, prompt: prompt(20, salt: 1)))
    #expect(step(&scheduler).entries.map(\.id) == [1])
    scheduler.remove(1)
    #expect(step(&scheduler).entries.map(\.id) == [2])
  }

  @Test func theNewestGivesUpItsBlocksAndIsComputedAgain() {
    var scheduler = scheduler(tokens: 64, blocks: 7)
    scheduler.add(SequenceState(id: 1, prompt: prompt(8)))
    scheduler.add(SequenceState(id: 2, prompt: prompt(8, salt: 1)))
    var preempted: [SequenceState.ID] = []
    for _ in 0..<12 { preempted += step(&scheduler).preempted }
    #expect(preempted == [2])
    #expect(scheduler.running.map(\.id) == [1])
    let victim = scheduler.waiting[0]
    #expect(victim.computedTokenCount == 0)
    #expect(victim.tokens.count > 8)
    scheduler.remove(1)
    let plan = step(&scheduler)
    #expect(plan.entries.map(\.id) == [2])
    let span = plan.entries[0].span
    #expect(span.tokens == Array(victim.tokens[span.start...]))
    // Its full blocks were the last to be taken.
    #expect(span.start == 8)
  }

  @Test func promptLogitsAreAskedForOnceAndWithinTheRows() {
    var scheduler = scheduler(sequences: 4, tokens: 64, promptRows: 2)
    scheduler.add(SequenceState(id: 1, prompt: prompt(3)))
    scheduler.add(SequenceState(id: 2, prompt: prompt(20), wantsPromptLogits: true))
    var positions: [Int] = []
    for _ in 0..<6 {
      let plan = step(&scheduler)
      #expect(plan.entries.reduce(0) { $0 + $1.span.logitCount } <= 6)
      for entry in plan.entries where entry.id == 2 {
        let end = entry.span.start + entry.span.tokens.count
        positions += end - entry.span.logitCount..<end
      }
    }
    #expect(Array(positions.prefix(20)) == Array(0..<20))
    #expect(Set(positions).count == positions.count)
  }

  /// Drafts of any length, of which any number come true: budgets hold, nobody is preempted for
  /// them, and blocks of what was wrong are given back.
  @Test(arguments: [1, 2, 3, 4]) func randomDraftsKeepTheInvariants(_ seed: UInt64) {
    var source = RandomSource(seed: seed)
    var scheduler = scheduler(sequences: 4, tokens: 14, promptRows: 6, blocks: 20)
    var remaining: [SequenceState.ID: Int] = [:]
    var (next, drafted, accepted) = (SequenceState.ID(0), 0, 0)
    for _ in 0..<2_000 {
      if remaining.count < 6, Bool.random(using: &source) {
        let length = Int.random(in: 1...30, using: &source)
        scheduler.add(
          SequenceState(
            id: next, prompt: prompt(length), wantsPromptLogits: Bool.random(using: &source)))
        remaining[next] = Int.random(in: 1...34, using: &source)
        next += 1
      }
      for sequence in scheduler.running {
        let count = Int.random(in: 0...8, using: &source)
        let drafts = (0..<count).map { _ in Int32.random(in: 0..<5, using: &source) }
        // A sequence never outgrows the cache.
        scheduler.propose(
          Array(drafts.prefix(remaining[sequence.id, default: 1] - 1)), for: sequence.id)
      }
      let plan = scheduler.schedule()
      #expect(scheduler.brokenInvariants == [])
      #expect(plan.batch.tokenCount <= 14 && plan.batch.logitCount <= 10)
      scheduler.complete(plan)
      for entry in plan.entries where entry.reachesEnd {
        let drafts = Array(entry.span.tokens.suffix(entry.draftCount))
        let right = Int.random(in: 0...entry.draftCount, using: &source)
        drafted += drafts.count
        accepted += right
        remaining[entry.id, default: 0] -= right + 1
        if remaining[entry.id, default: 0] <= 0 {
          scheduler.remove(entry.id)
          remaining[entry.id] = nil
        } else {
          scheduler.append(drafts.prefix(right) + [6], to: entry.id)
        }
      }
      #expect(scheduler.brokenInvariants == [])
    }
    #expect(drafted > 300 && accepted > 100)
    for id in remaining.keys { scheduler.remove(id) }
    #expect(scheduler.isIdle && scheduler.blocks.freeCount == 20)
  }

  /// Cancellation is rare and there is too little memory: all the same, everything ends.
  @Test func everySequenceEndsUnderMemoryPressure() {
    var scheduler = scheduler(sequences: 8, tokens: 32, promptRows: 0, blocks: 9)
    for id in 0..<12 {
      scheduler.add(SequenceState(id: UInt64(id), prompt: prompt(12, salt: Int32(id))))
    }
    var outputs: [SequenceState.ID: Int] = [:]
    var preemptions = 0
    for _ in 0..<4_000 where !scheduler.isIdle {
      let plan = scheduler.schedule()
      preemptions += plan.preempted.count
      scheduler.complete(plan)
      for entry in plan.entries where entry.reachesEnd {
        outputs[entry.id, default: 0] += 1
        if outputs[entry.id] == 24 {
          scheduler.remove(entry.id)
        } else {
          scheduler.append([1], to: entry.id)
        }
      }
    }
    #expect(scheduler.isIdle)
    #expect(outputs.count == 12)
    #expect(preemptions > 0)
    #expect(scheduler.blocks.freeCount == 9)
  }
}
