// Who gets how many tokens of a step: streams, short prompts and giants.

import Inference
import Testing

@Suite struct FairnessTests {
  private func scheduler(prompts: [Int], tokens: Int = 64) -> Scheduler {
    var scheduler = Scheduler(
      limits: Scheduler.Limits(
        maximumSequences: 8, tokensPerStep: tokens, promptLogitRowsPerStep: 8),
      blockCount: 1_000, blockSize: 4)
    for (id, count) in prompts.enumerated() { add(UInt64(id), count, to: &scheduler) }
    return scheduler
  }

  private func add(_ id: UInt64, _ count: Int, to scheduler: inout Scheduler) {
    // No block in common with another.
    let prompt = (0..<Int32(count)).map { $0 % 7 + Int32(id) * 10 }
    scheduler.add(SequenceState(id: id, prompt: prompt))
  }

  /// One step; answers the tokens that each sequence got.
  private func step(
    _ scheduler: inout Scheduler, promptTokens: Int = .max
  ) -> [SequenceState.ID: Int] {
    let plan = scheduler.schedule(promptTokens: promptTokens)
    scheduler.complete(plan)
    for entry in plan.entries where entry.reachesEnd { scheduler.append([1], to: entry.id) }
    #expect(scheduler.brokenInvariants == [])
    return Dictionary(
      uniqueKeysWithValues: plan.entries.map { ($0.id, $0.span.tokens.count) })
  }

  @Test func theShortestGoFirstAndTheOldestIsSureOfAQuarter() {
    var scheduler = scheduler(prompts: [1_000, 500, 30, 20])
    #expect(step(&scheduler) == [0: 16, 3: 20, 2: 28])
    // 2 has two left; what it needs beyond that goes to the next shortest.
    #expect(step(&scheduler) == [3: 1, 0: 16, 2: 2, 1: 45])
  }

  @Test func promptsOfThreeStepsGoSideBySide() {
    var scheduler = scheduler(prompts: [64, 64, 64, 64])
    #expect(step(&scheduler) == [0: 22, 1: 21, 2: 21])
    #expect(step(&scheduler) == [0: 22, 1: 21, 2: 21])
    // The fourth joins when there is room, not midway.
    #expect(step(&scheduler) == [0: 20, 1: 22, 2: 22])
    add(4, 50, to: &scheduler)
    // Beside streams, one after the other.
    #expect(step(&scheduler) == [0: 1, 1: 1, 2: 1, 3: 16, 4: 45])
  }

  @Test func longPromptsGoInOrder() {
    var scheduler = scheduler(prompts: [150, 150, 150])
    #expect(step(&scheduler) == [0: 64])
    #expect(step(&scheduler) == [0: 64])
    #expect(step(&scheduler) == [0: 22, 1: 42])
    #expect(step(&scheduler) == [0: 1, 1: 63])
  }

  @Test func aGiantIsNotStarvedByAStreamOfShortOnes() {
    var scheduler = scheduler(prompts: [1_000])
    var (steps, giant) = (0, 0)
    while giant < 1_000, steps < 100 {
      for id in scheduler.running.map(\.id) where id > 0 { scheduler.remove(id) }
      for offset in 1...4 { add(UInt64(steps * 4 + offset), 60, to: &scheduler) }
      giant += step(&scheduler)[0] ?? 0
      steps += 1
    }
    // A quarter of 64 tokens per step.
    #expect(steps <= 63)
  }

  @Test func streamsGetTheirTokenAndPromptsWhatIsAllowed() {
    var scheduler = scheduler(prompts: [3, 5])
    _ = step(&scheduler)
    add(2, 300, to: &scheduler)
    #expect(scheduler.streamCount == 2)
    #expect(step(&scheduler, promptTokens: 0) == [0: 1, 1: 1])
    #expect(step(&scheduler, promptTokens: 5) == [0: 1, 1: 1, 2: 5])
    #expect(step(&scheduler) == [0: 1, 1: 1, 2: 62])
    scheduler.remove(0)
    scheduler.remove(1)
    // Alone, a prompt goes on whatever is allowed beside streams.
    #expect(step(&scheduler, promptTokens: 0) == [2: 1])
  }
}
