// Several requests at once: none changes what another gets, whatever happens to it on the way.

import Inference
import Synchronization
import Testing
import Transformer

@Suite(.timeLimit(.minutes(2))) struct EngineConcurrencyTests {
  private func request(_ index: Int, maximumTokens: Int = 24) -> GenerationRequest {
    let prompt = (0...index * 3).map { Int32(($0 * 5 + index) % 50) }
    return GenerationRequest(
      prompt: prompt,
      sampling: SamplingParameters(
        temperature: 0.9, topP: 0.95, repetitionPenalty: 1.1, presencePenalty: 0.1,
        seed: UInt64(index)),
      maximumTokens: maximumTokens, logprobs: 3, echoPromptLogprobs: index.isMultiple(of: 3))
  }

  private func alone(_ indexes: Range<Int>, maximumTokens: Int = 24) async throws -> [Generation] {
    let engine = try InferenceEngine(model: FakeModel())
    var results: [Generation] = []
    for index in indexes {
      results.append(try await engine.run(request(index, maximumTokens: maximumTokens)))
    }
    await engine.shutdown()
    return results
  }

  private func expectSame(_ result: Generation, _ expected: Generation) {
    #expect(result.tokens == expected.tokens)
    #expect(result.promptLogprobs == expected.promptLogprobs)
    #expect(result.reason == expected.reason)
  }

  @Test(arguments: [
    EngineConfiguration(maximumSequences: 8, tokensPerStep: 256),
    EngineConfiguration(maximumSequences: 3, tokensPerStep: 5),
    EngineConfiguration(maximumSequences: 1, tokensPerStep: 1),
  ])
  func batchedEqualsAlone(_ configuration: EngineConfiguration) async throws {
    let expected = try await alone(0..<12)
    let engine = try InferenceEngine(model: FakeModel(), configuration: configuration)
    let streams = try (0..<12).map { try engine.submit(request($0)) }
    for (stream, expected) in zip(streams, expected) {
      expectSame(try await Generation(stream), expected)
    }
    await engine.shutdown()
    #expect(engine.statistics.usedBlocks == 0)
  }

  @Test func preemptionChangesNothing() async throws {
    let expected = try await alone(0..<8, maximumTokens: 50)
    let model = FakeModel()
    // 24 blocks of 4 hold one sequence of the longest kind and little more.
    let engine = try InferenceEngine(
      model: model,
      configuration: EngineConfiguration(
        maximumSequences: 6, kvMemoryByteCount: 24 * model.kvBytesPerBlock, tokensPerStep: 32))
    let streams = try (0..<8).map { try engine.submit(request($0, maximumTokens: 50)) }
    var preemptions = 0
    for (stream, expected) in zip(streams, expected) {
      let result = try await Generation(stream)
      expectSame(result, expected)
      preemptions += result.usage?.preemptions ?? 0
    }
    #expect(preemptions > 0)
    try await eventually { engine.statistics.secondsSinceProgress == nil }
    #expect(engine.statistics.preemptions == preemptions)
    #expect(engine.statistics.usedBlocks == 0)
    #expect(engine.statistics.promptTokens == (0..<8).reduce(0) { $0 + 3 * $1 + 1 })
    await engine.shutdown()
  }

  @Test func theSameSeedGivesTheSameAndEveryChoiceAnother() async throws {
    let engine = try InferenceEngine(model: FakeModel())
    func ids(seed: UInt64?, choice: Int) async throws -> [Int32] {
      try await engine.run(
        GenerationRequest(
          prompt: [1, 2, 3], sampling: SamplingParameters(seed: seed), maximumTokens: 30,
          choice: choice)
      ).ids
    }
    let first = try await ids(seed: 11, choice: 0)
    #expect(try await ids(seed: 11, choice: 0) == first)
    #expect(try await ids(seed: 11, choice: 1) != first)
    #expect(try await ids(seed: 12, choice: 0) != first)
    #expect(try await ids(seed: nil, choice: 0) != ids(seed: nil, choice: 0))
    await engine.shutdown()
  }

  @Test func droppingTheStreamFreesTheBlocks() async throws {
    let engine = try InferenceEngine(model: FakeModel())
    do {
      var iterator = try engine.submit(request(3, maximumTokens: 200)).makeAsyncIterator()
      _ = try await iterator.next()
    }
    try await eventually { engine.statistics.secondsSinceProgress == nil }
    #expect(engine.statistics.usedBlocks == 0)
    await engine.drain()
  }

  @Test func cancellingTheConsumerEndsTheSequence() async throws {
    let gate = Gate()
    let engine = try InferenceEngine(
      model: FakeModel(onForward: { batch in
        if batch.spans.contains(where: { $0.start > 20 }) { gate.wait() }
      }))
    let stream = try engine.submit(request(4, maximumTokens: 200))
    let consumer = Task { try await Generation(stream) }
    try await gate.waitForArrival()
    consumer.cancel()
    let result = try await consumer.value
    #expect(result.reason == nil)
    gate.open()
    await engine.drain()
    try await eventually { engine.statistics.usedBlocks == 0 }
    #expect(engine.statistics.generatedTokens < 200)
  }

  @Test func cancellationIsNoticedBetweenPrefillChunks() async throws {
    let gate = Gate()
    let tokensComputed = Mutex(0)
    let engine = try InferenceEngine(
      model: FakeModel(onForward: { batch in
        tokensComputed.withLock { $0 += batch.spans.reduce(0) { $0 + $1.tokens.count } }
        gate.wait()
      }), configuration: EngineConfiguration(maximumSequences: 1, tokensPerStep: 10))
    let stream = try engine.submit(
      GenerationRequest(prompt: [Int32](repeating: 1, count: 200), maximumTokens: 5))
    let consumer = Task { try await Generation(stream) }
    try await gate.waitForArrival()
    consumer.cancel()
    _ = try await consumer.value
    gate.open()
    await engine.drain()
    #expect(tokensComputed.withLock { $0 } == 10)
  }

  @Test func aQueuedRequestWhoseClientLeftIsNeverComputed() async throws {
    let gate = Gate()
    let prompts = Mutex<Set<Int32>>([])
    let engine = try InferenceEngine(
      model: FakeModel(onForward: { batch in
        prompts.withLock { $0.formUnion(batch.spans.compactMap(\.tokens.first)) }
        gate.wait()
      }), configuration: EngineConfiguration(maximumSequences: 1))
    let first = try engine.submit(
      GenerationRequest(
        prompt: [1], sampling: SamplingParameters(temperature: 0), maximumTokens: 1))
    try await gate.waitForArrival()
    let second = try engine.submit(GenerationRequest(prompt: [49], maximumTokens: 1))
    let consumer = Task { try await Generation(second) }
    consumer.cancel()
    _ = try await consumer.value
    gate.open()
    #expect(try await Generation(first).reason == .length)
    await engine.drain()
    #expect(prompts.withLock { $0 } == [1])
  }

  @Test func aFullQueueRefuses() async throws {
    let gate = Gate()
    let engine = try InferenceEngine(
      model: FakeModel(onForward: { _ in gate.wait() }),
      configuration: EngineConfiguration(maximumSequences: 2, maximumQueued: 3))
    let streams = try (0..<5).map { try engine.submit(request($0, maximumTokens: 2)) }
    #expect(throws: InferenceError.queueFull(limit: 3)) { try engine.submit(request(5)) }
    gate.open()
    for stream in streams { #expect(try await Generation(stream).reason == .length) }
    // A place is free again as soon as a request's end is known.
    #expect(try await engine.run(request(5, maximumTokens: 2)).reason == .length)
    await engine.shutdown()
  }
}
