// Drafts from a second model: output stays that of the first, however good the guesses are, and the
// second model's cache follows what comes true.

import Inference
import Synchronization
import Testing
import Transformer

@testable import Inference

@Suite(.timeLimit(.minutes(5))) struct DraftModelTests {
  private func requests(_ count: Int) -> [GenerationRequest] {
    (0..<count).map { index in
      GenerationRequest(
        prompt: (0...index * 7 % 40).map { Int32(($0 * 5 + index) % 50) },
        sampling: SamplingParameters(
          temperature: [0, 0.7, 1.5][index % 3], topP: 0.95,
          repetitionPenalty: index.isMultiple(of: 4) ? 1.2 : 1, seed: UInt64(index)),
        maximumTokens: 10 + index * 3, stopTokens: index.isMultiple(of: 5) ? [13, 31] : [],
        logprobs: index.isMultiple(of: 2) ? 3 : nil)
    }
  }

  /// Agrees with `FakeModel()` on most tokens.
  private func draftModel(vocabularySize: Int, contextLength: Int = 256) -> FakeModel {
    FakeModel(
      vocabularySize: vocabularySize, contextLength: contextLength,
      adjust: { tokens, logits in if tokens.count.isMultiple(of: 5) { logits[7] += 9 } })
  }

  private func run(
    _ requests: [GenerationRequest], draftModel: FakeModel?, _ configuration: EngineConfiguration
  ) async throws -> (generations: [Generation], statistics: EngineStatistics) {
    let engine = try InferenceEngine(
      model: FakeModel(), draftModel: draftModel, configuration: configuration)
    let streams = try requests.map { try engine.submit($0) }
    var generations: [Generation] = []
    for stream in streams { generations.append(try await Generation(stream)) }
    await engine.shutdown()
    return (generations, engine.statistics)
  }

  @Test(arguments: [
    (50, EngineConfiguration(maximumSequences: 1, speculation: .draft, draftCost: 0)),
    (60, EngineConfiguration(maximumSequences: 5, speculation: .draft, draftCost: 0)),
    (40, EngineConfiguration(maximumSequences: 5, speculation: .draft, draftCost: 0)),
    (
      50,
      EngineConfiguration(
        maximumSequences: 6, kvMemoryByteCount: 70 * 1_024, tokensPerStep: 24,
        speculation: .draft, draftCost: 0)
    ),
  ])
  func outputIsThatOfPlainDecoding(
    _ vocabularySize: Int, _ configuration: EngineConfiguration
  ) async throws {
    let requests = requests(16)
    let plain = try await run(requests, draftModel: nil, EngineConfiguration(speculation: .off))
    let drafted = try await run(
      requests, draftModel: draftModel(vocabularySize: vocabularySize), configuration)
    for (result, expected) in zip(drafted.generations, plain.generations) {
      #expect(result.tokens == expected.tokens)
      #expect(result.reason == expected.reason)
    }
    #expect(drafted.statistics.acceptedDraftTokens > 0)
    #expect(drafted.statistics.draftedTokens > drafted.statistics.acceptedDraftTokens)
    #expect(drafted.statistics.steps < plain.statistics.generatedTokens)
  }

  /// The same model, sampled with the same random numbers, guesses everything right.
  @Test func aPerfectDraftModelIsAlwaysRight() async throws {
    let request = GenerationRequest(
      prompt: [1, 2, 3], sampling: SamplingParameters(temperature: 1.2, seed: 3),
      maximumTokens: 160)
    let result = try await run(
      [request], draftModel: FakeModel(),
      EngineConfiguration(speculation: .draft, draftCost: 0))
    #expect(result.statistics.draftedTokens == result.statistics.acceptedDraftTokens)
    // The prompt, then sixteen tokens per step.
    #expect(result.statistics.steps == 11)
  }

  /// Beyond its context the draft model has nothing to say.
  @Test func aShortDraftContextEndsTheDrafts() async throws {
    let request = GenerationRequest(
      prompt: [1, 2, 3], sampling: SamplingParameters(temperature: 0), maximumTokens: 100)
    let plain = try await run([request], draftModel: nil, EngineConfiguration(speculation: .off))
    let result = try await run(
      [request], draftModel: draftModel(vocabularySize: 50, contextLength: 30),
      EngineConfiguration(speculation: .draft, draftCost: 0))
    #expect(result.generations[0].tokens == plain.generations[0].tokens)
    #expect(result.statistics.draftedTokens > 0)
    #expect(result.statistics.steps > 70)
  }

  private func order(
    _ id: SequenceState.ID, _ tokens: [Int32], _ count: Int
  ) -> DraftOrder {
    DraftOrder(
      id: id, tokens: tokens, count: count,
      sampler: DraftSampler(
        sampler: Sampler(SamplingParameters(temperature: 0), seed: 0),
        history: TokenHistory(prompt: [])))
  }

  @Test func theCacheFollowsWhatCameTrue() throws {
    let computed = Mutex(0)
    let model = FakeModel(onForward: { batch in computed.withLock { $0 += batch.tokenCount } })
    var drafter = DraftModel(
      try DraftSource(model, tokenCapacity: 64), maximumSequences: 2, vocabularySize: 50)
    var scratch = SamplingScratch()
    let prompt: [Int32] = [4, 9, 2, 7, 1]
    let expected = model.greedy(prompt, count: 12)
    var orders = [order(1, prompt, 4)]
    #expect(drafter.fill(&orders, scratch: &scratch) == false)
    #expect(orders[0].drafts == Array(expected.prefix(4)))
    #expect(computed.withLock { $0 } == 8)
    // All came true, and one more token: two are missing.
    orders = [order(1, prompt + expected.prefix(5), 3), order(2, [8], 1), order(3, [8], 0)]
    #expect(drafter.fill(&orders, scratch: &scratch))
    #expect(orders[0].drafts == Array(expected[5..<8]))
    #expect(orders[1].drafts == model.greedy([8], count: 1))
    #expect(orders[2].drafts.isEmpty)
    #expect(computed.withLock { $0 } == 13)
    // Another token came: what was drafted is forgotten.
    let wrong: Int32 = (expected[6] + 1) % 50
    let other: [Int32] = prompt + expected.prefix(6) + [wrong]
    orders = [order(1, other, 2)]
    #expect(drafter.fill(&orders, scratch: &scratch))
    #expect(orders[0].drafts == model.greedy(other, count: 2))
    #expect(drafter.blocks.usedCount > 0)
    drafter.forget(1)
    drafter.forget(2)
    #expect(drafter.blocks.usedCount == 0)
  }

  @Test func aSequenceWithoutRoomGoesWithoutDrafts() throws {
    let model = FakeModel()
    var drafter = DraftModel(
      try DraftSource(model, tokenCapacity: 16), maximumSequences: 2, vocabularySize: 50)
    var scratch = SamplingScratch()
    let long = [Int32](repeating: 3, count: 20)
    var orders = [order(1, long, 2), order(2, [5, 6], 2)]
    _ = drafter.fill(&orders, scratch: &scratch)
    #expect(orders[0].drafts.isEmpty)
    #expect(orders[1].drafts == model.greedy([5, 6], count: 2))
    drafter.forget(2)
    #expect(drafter.blocks.usedCount == 0)
  }
}
