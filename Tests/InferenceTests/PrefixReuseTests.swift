// Sequences that begin alike: what the second one computes, and that it gets what it would have
// got alone.

import Inference
import Testing
import Transformer

@Suite(.timeLimit(.minutes(2))) struct PrefixReuseTests {
  private func scheduler(blocks: Int = 32, tokens: Int = 64) -> Scheduler {
    Scheduler(
      limits: Scheduler.Limits(
        maximumSequences: 4, tokensPerStep: tokens, promptLogitRowsPerStep: 8),
      blockCount: blocks, blockSize: 4)
  }

  /// Plans and completes a step; answers where each span begins.
  private func starts(_ scheduler: inout Scheduler) -> [SequenceState.ID: Int] {
    let plan = scheduler.schedule()
    scheduler.complete(plan)
    #expect(scheduler.brokenInvariants == [])
    return Dictionary(uniqueKeysWithValues: plan.entries.map { ($0.id, $0.span.start) })
  }

  private let prompt = (0..<18).map { Int32($0) }

  @Test func whatEarlierSequencesComputedIsNotComputedAgain() {
    var scheduler = scheduler()
    scheduler.add(SequenceState(id: 1, prompt: prompt))
    #expect(starts(&scheduler) == [1: 0])
    // Beside the first one, and after it.
    scheduler.add(SequenceState(id: 2, prompt: Array(prompt[..<13])))
    scheduler.append([99], to: 1)
    #expect(starts(&scheduler) == [1: 18, 2: 12])
    scheduler.remove(1)
    scheduler.remove(2)
    scheduler.add(SequenceState(id: 3, prompt: prompt + prompt))
    #expect(starts(&scheduler) == [3: 16])
    scheduler.remove(3)
    #expect(scheduler.blocks.usedCount == 0)
  }

  @Test func theLastTokenOfAPromptIsAlwaysComputed() {
    var scheduler = scheduler()
    for id in 1...2 {
      scheduler.add(SequenceState(id: UInt64(id), prompt: Array(prompt[..<16])))
      #expect(starts(&scheduler) == [UInt64(id): id == 1 ? 0 : 15])
      scheduler.remove(UInt64(id))
    }
  }

  @Test func namespacesShareNothing() {
    var scheduler = scheduler()
    for namespace in [1, 2, 1] as [UInt64] {
      scheduler.add(SequenceState(id: namespace, prompt: prompt, namespace: namespace))
      let isSecondTime = scheduler.blocks.indexedCount == 8
      #expect(starts(&scheduler) == [namespace: isSecondTime ? 16 : 0])
      scheduler.remove(namespace)
    }
  }

  @Test func promptsThatWantLogitsAreComputedWhole() {
    var scheduler = scheduler()
    scheduler.add(SequenceState(id: 1, prompt: prompt))
    _ = starts(&scheduler)
    scheduler.add(SequenceState(id: 2, prompt: prompt, wantsPromptLogits: true))
    scheduler.append([99], to: 1)
    #expect(starts(&scheduler) == [1: 18, 2: 0])
  }

  @Test func whatIsSharedLeavesRoomForAnother() {
    // Two prompts of 5 blocks each fit into 9 only because they have four in common.
    var scheduler = scheduler(blocks: 9)
    scheduler.add(SequenceState(id: 1, prompt: prompt))
    _ = starts(&scheduler)
    scheduler.append([99], to: 1)
    scheduler.add(SequenceState(id: 2, prompt: prompt))
    #expect(starts(&scheduler) == [1: 18, 2: 17])
    #expect(scheduler.blocks.usedCount == 6)
  }

  @Test func generatedTokensAreFoundToo() {
    var scheduler = scheduler()
    scheduler.add(SequenceState(id: 1, prompt: [1, 2, 3]))
    for token in 4...9 as ClosedRange<Int32> {
      _ = starts(&scheduler)
      scheduler.append([token], to: 1)
    }
    scheduler.remove(1)
    // Nine tokens, of which the last was never computed.
    scheduler.add(SequenceState(id: 2, prompt: Array(1...12)))
    #expect(starts(&scheduler) == [2: 8])
  }

  // MARK: - Blocks that go on otherwise

  @Test func theBeginningOfABlockThatGoesOnOtherwiseIsCopied() throws {
    var scheduler = scheduler()
    scheduler.add(SequenceState(id: 1, prompt: prompt))
    let first = scheduler.schedule()
    scheduler.complete(first)
    scheduler.remove(1)
    scheduler.add(SequenceState(id: 2, prompt: Array(prompt[..<10]) + [90, 91, 92, 93]))
    let second = scheduler.schedule()
    let (known, own) = (first.entries[0].span.blocks, try #require(second.entries.first).span)
    #expect(own.start == 10 && own.blocks[..<2] == known[..<2] && own.blocks[2] != known[2])
    #expect(second.copies.map(\.source) == [known[2]])
    #expect(second.copies.map(\.target) == [own.blocks[2]])
    scheduler.complete(second)
    #expect(scheduler.brokenInvariants == [])
    // What was copied is still there for whoever begins as the first did.
    scheduler.remove(2)
    scheduler.add(SequenceState(id: 3, prompt: prompt))
    #expect(starts(&scheduler) == [3: 16])
  }

  @Test func theBlockWithMostInCommonIsCopied() {
    var scheduler = scheduler()
    for end in [[7, 8, 9], [1, 8, 9], [1, 2, 9]] as [[Int32]] {
      scheduler.add(SequenceState(id: 1, prompt: [0] + end + [5]))
      _ = starts(&scheduler)
      scheduler.remove(1)
    }
    scheduler.add(SequenceState(id: 9, prompt: [0, 1, 2, 3, 4]))
    #expect(starts(&scheduler) == [9: 3])
  }

  /// Whoever is in the middle of a block waits for nobody: only the first of them copies.
  @Test func sequencesThatBeginAsAKnownBlockStillComputeTheRestOnce() {
    var scheduler = scheduler(tokens: 10)
    scheduler.add(SequenceState(id: 9, prompt: prompt))
    #expect(starts(&scheduler) == [9: 0])
    #expect(starts(&scheduler) == [9: 10])
    scheduler.remove(9)
    let prompt = Array(prompt[..<6]) + (50..<64).map { Int32($0) }
    for id in 1...3 as ClosedRange<UInt64> { scheduler.add(SequenceState(id: id, prompt: prompt)) }
    #expect(starts(&scheduler) == [1: 6])
    // Two blocks behind it, then what the first has computed of the one after.
    #expect(starts(&scheduler) == [1: 16])
    scheduler.append([99], to: 1)
    #expect(starts(&scheduler) == [1: 20, 2: 19, 3: 19])
  }

  /// A block that nobody holds can't be copied into itself.
  @Test func nothingIsCopiedWhereNoBlockIsLeft() {
    var scheduler = scheduler(blocks: 5)
    scheduler.add(SequenceState(id: 1, prompt: Array(prompt[..<16])))
    _ = starts(&scheduler)
    scheduler.add(SequenceState(id: 2, prompt: [40]))
    scheduler.append([99], to: 1)
    _ = starts(&scheduler)
    scheduler.remove(1)
    scheduler.add(SequenceState(id: 3, prompt: Array(prompt[..<15]) + [41, 42, 43]))
    scheduler.append([44], to: 2)
    for _ in 0..<3 {
      _ = starts(&scheduler)
      scheduler.append([45], to: 2)
    }
  }

  // MARK: - Through the engine

  private let greedy = SamplingParameters(temperature: 0)

  @Test func usageAndStatisticsTellWhatWasCached() async throws {
    let model = FakeModel()
    let engine = try InferenceEngine(model: model)
    let request = GenerationRequest(prompt: prompt, sampling: greedy, maximumTokens: 5)
    let first = try await engine.run(request)
    let second = try await engine.run(request)
    #expect(first.usage?.cachedTokens == 0 && second.usage?.cachedTokens == 17)
    #expect(first.ids == second.ids && first.ids == model.greedy(prompt, count: 5))
    try await eventually { engine.statistics.secondsSinceProgress == nil }
    #expect(engine.statistics.promptTokens == 18 + 1)
    #expect(engine.statistics.cachedPromptTokens == 17)
    #expect(engine.statistics.cachedBlocks == 5)
    #expect(engine.statistics.usedBlocks == 0)
    await engine.shutdown()
  }

  /// The tokens of a conversation's earlier turns, answers included, are in the cache.
  @Test func conversationsGoOnWhereTheyStopped() async throws {
    let model = FakeModel()
    let engine = try InferenceEngine(model: model)
    var tokens = prompt
    for turn in 0..<4 {
      let result = try await engine.run(
        GenerationRequest(prompt: tokens, sampling: greedy, maximumTokens: 7))
      #expect(result.ids == model.greedy(tokens, count: 7))
      #expect(result.usage?.cachedTokens == (turn == 0 ? 0 : (tokens.count - 2) / 4 * 4))
      tokens += result.ids + [Int32(turn)]
    }
    await engine.shutdown()
  }

  @Test func aCacheThatIsTooSmallStillGivesTheRightAnswers() async throws {
    let model = FakeModel(contextLength: 40)
    let engine = try InferenceEngine(
      model: model,
      configuration: EngineConfiguration(
        maximumSequences: 3, kvMemoryByteCount: 14 * model.kvBytesPerBlock, tokensPerStep: 9))
    let requests = (0..<40).map { index in
      GenerationRequest(
        prompt: Array(prompt[..<(index * 7 % 17 + 1)]) + [Int32(index % 3)], sampling: greedy,
        maximumTokens: 4 + index % 9)
    }
    let streams = try requests.map { try engine.submit($0) }
    var cached = 0
    for (request, stream) in zip(requests, streams) {
      let result = try await Generation(stream)
      #expect(result.ids == model.greedy(request.prompt, count: request.maximumTokens))
      cached += result.usage?.cachedTokens ?? 0
    }
    #expect(cached > 100)
    await engine.shutdown()
    #expect(engine.statistics.usedBlocks == 0)
  }
}
