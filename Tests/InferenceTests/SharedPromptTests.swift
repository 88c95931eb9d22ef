// Sequences with the same prompt at the same time, such as the choices of one request: the prompt is
// computed once, and each goes on in blocks of its own.

import Inference
import Synchronization
import Testing
import Transformer

@Suite(.timeLimit(.minutes(2))) struct SharedPromptTests {
  private func scheduler(blocks: Int = 64, tokens: Int = 64) -> Scheduler {
    Scheduler(
      limits: Scheduler.Limits(
        maximumSequences: 8, tokensPerStep: tokens, promptLogitRowsPerStep: 8),
      blockCount: blocks, blockSize: 4)
  }

  private func step(_ scheduler: inout Scheduler) -> StepPlan {
    let plan = scheduler.schedule()
    scheduler.complete(plan)
    for entry in plan.entries where entry.reachesEnd {
      scheduler.append([Int32(entry.id) + 50], to: entry.id)
    }
    #expect(scheduler.brokenInvariants == [])
    return plan
  }

  @Test func theOthersWaitAndTakeOverWhatOneComputes() {
    var scheduler = scheduler(tokens: 8)
    let prompt = (0..<14).map { Int32($0) }
    for id in 1...4 as ClosedRange<UInt64> { scheduler.add(SequenceState(id: id, prompt: prompt)) }
    for start in [0, 8] {
      let plan = step(&scheduler)
      #expect(plan.entries.map(\.id) == [1])
      #expect(plan.entries[0].span.start == start)
    }
    let plan = step(&scheduler)
    // Three full blocks are shared; of the fourth, which 1 goes on in, the others get copies.
    #expect(plan.entries.map(\.span.start) == [14, 13, 13, 13])
    let tables = plan.entries.map(\.span.blocks)
    #expect(tables.allSatisfy { $0[..<3] == tables[0][..<3] })
    #expect(Set(tables.map { $0[3] }).count == 4)
    #expect(plan.copies.map(\.source) == [tables[0][3], tables[0][3], tables[0][3]])
    #expect(plan.copies.map(\.target) == tables[1...].map { $0[3] })
    #expect(scheduler.blocks.usedCount == 3 + 4)
  }

  @Test func aCommonBeginningIsComputedOnce() {
    var scheduler = scheduler()
    let common = (0..<9).map { Int32($0) }
    for id in 1...3 as ClosedRange<UInt64> {
      scheduler.add(SequenceState(id: id, prompt: common + [Int32(id), 7, 7, 7]))
    }
    #expect(step(&scheduler).entries.map(\.id) == [1])
    #expect(step(&scheduler).entries.map(\.span.start) == [13, 9, 9])
  }

  @Test func promptsThatWantLogitsComputeTheirOwn() {
    var scheduler = scheduler()
    let prompt = (0..<6).map { Int32($0) }
    for id in 1...2 as ClosedRange<UInt64> {
      scheduler.add(SequenceState(id: id, prompt: prompt, wantsPromptLogits: true))
    }
    #expect(step(&scheduler).entries.map(\.span.logitCount) == [6, 6])
    #expect(step(&scheduler).copies == [])
  }

  @Test func whoeverGoesOnAloneComputesTheRest() {
    var scheduler = scheduler(tokens: 8)
    let prompt = (0..<30).map { Int32($0) }
    for id in 1...2 as ClosedRange<UInt64> { scheduler.add(SequenceState(id: id, prompt: prompt)) }
    _ = step(&scheduler)
    scheduler.remove(1)
    let plan = step(&scheduler)
    #expect(plan.entries.map(\.id) == [2])
    #expect(plan.entries[0].span.start == 8)
  }

  // MARK: - Through the engine

  /// The engine's thread stands still until all choices are there.
  @Test(arguments: [3, 14, 16, 33]) func choicesComputeTheirPromptOnce(
    _ promptCount: Int
  ) async throws {
    let gate = Gate()
    let promptTokens = Mutex(0)
    let prompt = (0..<promptCount).map { Int32($0) }
    let model = FakeModel(onForward: { batch in
      promptTokens.withLock { total in
        for span in batch.spans {
          total += max(0, min(span.start + span.tokens.count, promptCount) - span.start)
        }
      }
      gate.wait()
    })
    let engine = try InferenceEngine(model: model)
    var request = GenerationRequest(
      prompt: prompt, sampling: SamplingParameters(temperature: 0.8, seed: 5), maximumTokens: 20)
    let streams = try (0..<6).map { choice in
      request.choice = choice
      return try engine.submit(request)
    }
    gate.open()
    let choices = try await collect(streams)
    // All but the first compute their last token again, for its logits.
    #expect(promptTokens.withLock { $0 } == promptCount + 5)
    #expect(Set(choices.map(\.ids)).count == 6)
    #expect(choices[0].usage?.cachedTokens == 0)
    #expect(choices[1...].allSatisfy { $0.usage?.cachedTokens == promptCount - 1 })
    for (choice, result) in choices.enumerated() {
      let alone = try InferenceEngine(model: FakeModel())
      request.choice = choice
      #expect(try await alone.run(request).tokens == result.tokens)
      await alone.shutdown()
    }
    await engine.shutdown()
    #expect(engine.statistics.usedBlocks == 0)
  }

  private func collect(
    _ streams: [AsyncThrowingStream<GenerationEvent, any Error>]
  ) async throws -> [Generation] {
    var results: [Generation] = []
    for stream in streams { results.append(try await Generation(stream)) }
    return results
  }
}
