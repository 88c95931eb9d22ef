// The engine over a fake model: what comes out, and when it ends.

import Inference
import Testing

@Suite(.timeLimit(.minutes(2))) struct EngineTests {
  private let greedy = SamplingParameters(temperature: 0)

  @Test func greedyTokensAreTheModelsOwn() async throws {
    let model = FakeModel()
    let engine = try InferenceEngine(model: model)
    let result = try await engine.run(
      GenerationRequest(prompt: [1, 2, 3], sampling: greedy, maximumTokens: 20))
    #expect(result.ids == model.greedy([1, 2, 3], count: 20))
    #expect(result.reason == .length)
    #expect(result.usage?.promptTokens == 3)
    #expect(result.usage?.completionTokens == 20)
    await engine.shutdown()
  }

  @Test func theModelsEndTokenStops() async throws {
    let plain = FakeModel().greedy([4], count: 10)
    let model = FakeModel(endOfSequenceTokens: [plain[3]])
    let engine = try InferenceEngine(model: model)
    var request = GenerationRequest(prompt: [4], sampling: greedy, maximumTokens: 10)
    let stopped = try await engine.run(request)
    let cut = try #require(plain.firstIndex(of: plain[3]))
    #expect(stopped.ids == Array(plain[..<cut]))
    #expect(stopped.reason == .stop)
    #expect(stopped.usage?.completionTokens == cut + 1)
    request.ignoreEndOfSequence = true
    let ignoring = try await engine.run(request)
    #expect(ignoring.ids == plain)
    #expect(ignoring.reason == .length)
    await engine.shutdown()
  }

  @Test func stopTokensOfRequestAndConfigurationStop() async throws {
    let plain = FakeModel().greedy([4], count: 10)
    let model = FakeModel()
    for (requested, configured) in [([plain[5]], []), ([], [plain[5]])] {
      let engine = try InferenceEngine(
        model: model, configuration: EngineConfiguration(endOfSequenceTokens: Set(configured)))
      let result = try await engine.run(
        GenerationRequest(
          prompt: [4], sampling: greedy, maximumTokens: 10, stopTokens: Set(requested)))
      #expect(result.ids == Array(plain[..<(plain.firstIndex(of: plain[5]) ?? 0)]))
      #expect(result.reason == .stop)
      await engine.shutdown()
    }
  }

  @Test func theContextEndsTheGenerationWithLength() async throws {
    let model = FakeModel(contextLength: 16)
    let engine = try InferenceEngine(model: model)
    for promptCount in [10, 15, 16] {
      let prompt = [Int32](repeating: 7, count: promptCount)
      let result = try await engine.run(
        GenerationRequest(prompt: prompt, sampling: greedy, maximumTokens: 100))
      #expect(result.ids == model.greedy(prompt, count: 16 - promptCount))
      #expect(result.reason == .length)
    }
    let expected = InferenceError.contextLengthExceeded(promptTokens: 17, contextLength: 16)
    #expect(throws: expected) {
      try engine.submit(
        GenerationRequest(prompt: [Int32](repeating: 7, count: 17), maximumTokens: 1))
    }
    #expect(expected.description.contains("17") && expected.description.contains("16"))
    await engine.shutdown()
  }

  @Test func theContextIsNoLongerThanTheCache() async throws {
    let model = FakeModel(contextLength: 256, blockSize: 4)
    let engine = try InferenceEngine(
      model: model,
      configuration: EngineConfiguration(kvMemoryByteCount: 5 * model.kvBytesPerBlock + 7))
    #expect(engine.contextLength == 20)
    let result = try await engine.run(
      GenerationRequest(prompt: [1], sampling: greedy, maximumTokens: 100))
    #expect(result.ids == model.greedy([1], count: 19))
    await engine.shutdown()
    #expect(
      throws: InferenceError.insufficientKVMemory(byteCount: 1_023, requiredByteCount: 1_024)
    ) {
      _ = try InferenceEngine(
        model: model, configuration: EngineConfiguration(kvMemoryByteCount: 1_023))
    }
  }

  @Test func extremeSettingsDoNotOverflow() async throws {
    let model = FakeModel(contextLength: 8)
    let engine = try InferenceEngine(
      model: model,
      configuration: EngineConfiguration(
        maximumSequences: .max, contextLength: .max, kvMemoryByteCount: 10_000, maximumQueued: .max,
        tokensPerStep: .max))
    let result = try await engine.run(
      GenerationRequest(prompt: [1], sampling: greedy, maximumTokens: .max))
    #expect(result.ids.count == 7)
    await engine.shutdown()
  }

  @Test func invalidRequestsAreRefusedAtOnce() async throws {
    let engine = try InferenceEngine(model: FakeModel(vocabularySize: 50))
    #expect(throws: InferenceError.emptyPrompt) {
      try engine.submit(GenerationRequest(prompt: [], maximumTokens: 1))
    }
    #expect(
      throws: InferenceError.tokenOutOfRange(token: 50, index: 1, vocabularySize: 50)
    ) { try engine.submit(GenerationRequest(prompt: [0, 50], maximumTokens: 1)) }
    #expect(
      throws: InferenceError.tokenOutOfRange(token: -1, index: 0, vocabularySize: 50)
    ) { try engine.submit(GenerationRequest(prompt: [-1], maximumTokens: 1)) }
    for request in [
      GenerationRequest(prompt: [1], maximumTokens: -1),
      GenerationRequest(prompt: [1], maximumTokens: 1, logprobs: 21),
      GenerationRequest(prompt: [1], maximumTokens: 1, choice: -1),
      GenerationRequest(
        prompt: [1], sampling: SamplingParameters(topP: .nan), maximumTokens: 1),
    ] {
      #expect(throws: InferenceError.self) { try engine.submit(request) }
    }
    #expect(engine.statistics.waiting == 0)
    await engine.shutdown()
  }

  @Test func logprobsAreThoseOfTheRawDistribution() async throws {
    let model = FakeModel()
    let engine = try InferenceEngine(model: model)
    let sampling = SamplingParameters(
      temperature: 0.3, topK: 2, repetitionPenalty: 1.5, logitBias: [3: 2], seed: 5)
    let result = try await engine.run(
      GenerationRequest(prompt: [1, 2], sampling: sampling, maximumTokens: 6, logprobs: 4))
    var tokens: [Int32] = [1, 2]
    for token in result.tokens {
      let expected = logSoftmax(model.expectedLogits(after: tokens))
      #expect(abs((token.logprob ?? 0) - expected[Int(token.id)]) < 1e-5)
      #expect(token.top.count == 4)
      let best = expected.indices.sorted { expected[$0] > expected[$1] }.prefix(4)
      #expect(token.top.map { Int($0.id) } == Array(best))
      tokens.append(token.id)
    }
    #expect(result.tokens.count == 6)
    await engine.shutdown()
  }

  @Test(arguments: [0, 3]) func promptLogprobsComeBeforeTheFirstToken(
    _ maximumTokens: Int
  ) async throws {
    let model = FakeModel()
    // Chunks of 8 rows at most: the prompt takes several steps.
    let engine = try InferenceEngine(
      model: model, configuration: EngineConfiguration(maximumSequences: 2, tokensPerStep: 8))
    let prompt = (0..<45).map { Int32($0 * 7 % 50) }
    let result = try await engine.run(
      GenerationRequest(
        prompt: prompt, sampling: greedy, maximumTokens: maximumTokens, logprobs: 2,
        echoPromptLogprobs: true))
    let logprobs = try #require(result.promptLogprobs)
    #expect(logprobs.map(\.id) == prompt)
    #expect(logprobs[0].logprob == nil)
    for position in 1..<prompt.count {
      let expected = logSoftmax(model.expectedLogits(after: Array(prompt[..<position])))
      let logprob = try #require(logprobs[position].logprob)
      #expect(abs(logprob - expected[Int(prompt[position])]) < 1e-5)
      #expect(logprobs[position].top.count == 2)
    }
    #expect(result.ids == model.greedy(prompt, count: maximumTokens))
    #expect(result.reason == .length)
    await engine.shutdown()
  }

  @Test func nothingToGenerateEndsAtOnce() async throws {
    let engine = try InferenceEngine(model: FakeModel())
    let result = try await engine.run(GenerationRequest(prompt: [1], maximumTokens: 0))
    #expect(result.ids.isEmpty)
    #expect(result.reason == .length)
    #expect(result.usage?.completionTokens == 0)
    await engine.shutdown()
  }

  @Test func usageAndStatisticsAddUp() async throws {
    let model = FakeModel()
    let engine = try InferenceEngine(
      model: model, configuration: EngineConfiguration(maximumSequences: 2, tokensPerStep: 8))
    let result = try await engine.run(
      GenerationRequest(
        prompt: [Int32](repeating: 1, count: 20), sampling: greedy, maximumTokens: 5))
    let usage = try #require(result.usage)
    #expect(usage.preemptions == 0 && usage.cachedTokens == 0)
    #expect(usage.queueSeconds >= 0 && usage.prefillSeconds > 0 && usage.decodeSeconds > 0)
    let firstToken = try #require(usage.timeToFirstTokenSeconds)
    #expect(abs(firstToken - usage.queueSeconds - usage.prefillSeconds) < 1e-9)
    try await eventually { engine.statistics.secondsSinceProgress == nil }
    let statistics = engine.statistics
    #expect(statistics.promptTokens == 20)
    #expect(statistics.generatedTokens == 5)
    #expect(statistics.steps == 3 + 4)
    #expect(statistics.running == 0 && statistics.waiting == 0)
    #expect(statistics.usedBlocks == 0 && statistics.totalBlocks == 128)
    await engine.shutdown()
  }

  private func logSoftmax(_ logits: [Float]) -> [Float] {
    let probabilities = Softmax.log(logits.map(Double.init))
    return probabilities.map { Float($0) }
  }
}
