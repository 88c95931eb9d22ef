// What goes wrong stays with whom it went wrong for; and how the engine ends.

import Inference
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(2))) struct EngineFailureTests {
  private func request(_ first: Int32, maximumTokens: Int = 12) -> GenerationRequest {
    GenerationRequest(
      prompt: [first, 2, 3], sampling: SamplingParameters(temperature: 0),
      maximumTokens: maximumTokens)
  }

  @Test func aFailingForwardPassFailsItsOwnRequestOnly() async throws {
    let model = FakeModel(onForward: { batch in
      // Request 13 fails at its second token, alone or in company.
      if batch.spans.contains(where: { $0.start >= 3 && $0.blocks == [1] }) {
        throw ForwardFailure()
      }
    })
    let engine = try InferenceEngine(model: model)
    let streams = try [10, 13, 16].map { try engine.submit(request($0, maximumTokens: 2)) }
    #expect(try await Generation(streams[0]).ids == model.greedy([10, 2, 3], count: 2))
    await #expect(throws: InferenceError.modelFailed("ForwardFailure()")) {
      try await Generation(streams[1])
    }
    #expect(try await Generation(streams[2]).ids == model.greedy([16, 2, 3], count: 2))
    await engine.drain()
    try await eventually { engine.statistics.usedBlocks == 0 }
  }

  /// Keys and values that a failed pass never wrote are not taken from the cache.
  @Test func whatAFailedPassLeftIsNotFoundAgain() async throws {
    let passes = Mutex(0)
    let model = FakeModel(onForward: { _ in
      // In company and alone.
      let pass = passes.withLock { count in
        count += 1
        return count
      }
      if pass <= 2 { throw ForwardFailure() }
    })
    let engine = try InferenceEngine(model: model)
    var request = request(1, maximumTokens: 4)
    request.prompt = (0..<18).map { Int32($0) }
    await #expect(throws: InferenceError.modelFailed("ForwardFailure()")) {
      try await engine.run(request)
    }
    let second = try await engine.run(request)
    #expect(second.usage?.cachedTokens == 0)
    #expect(second.ids == model.greedy(request.prompt, count: 4))
    await engine.shutdown()
  }

  @Test func brokenLogitsFailTheirOwnRequestOnly() async throws {
    let model = FakeModel(adjust: { tokens, logits in
      if tokens.first == 13, tokens.count > 5 { logits[7] = .nan }
    })
    let engine = try InferenceEngine(model: model)
    let streams = try [10, 13].map { try engine.submit(request($0)) }
    #expect(try await Generation(streams[0]).ids == model.greedy([10, 2, 3], count: 12))
    await #expect(throws: InferenceError.nonFiniteLogits(token: 7, value: "nan")) {
      try await Generation(streams[1])
    }
    await engine.drain()
    try await eventually { engine.statistics.usedBlocks == 0 }
  }

  private func refusal(
    of request: GenerationRequest, by engine: InferenceEngine
  ) -> InferenceError? {
    do throws(InferenceError) {
      _ = try engine.submit(request)
      return nil
    } catch {
      return error
    }
  }

  @Test func drainingRefusesNewRequestsAndFinishesOldOnes() async throws {
    let gate = Gate()
    let model = FakeModel(onForward: { _ in gate.wait() })
    let engine = try InferenceEngine(model: model)
    let stream = try engine.submit(request(1))
    let consumer = Task { try await Generation(stream) }
    try await gate.waitForArrival()
    let drained = Task { await engine.drain() }
    try await eventually { refusal(of: request(2), by: engine) == .draining }
    gate.open()
    await drained.value
    #expect(try await consumer.value.ids == model.greedy([1, 2, 3], count: 12))
    await engine.shutdown()
  }

  @Test func shutdownFailsWhatIsLeftAndReturns() async throws {
    let gate = Gate()
    let engine = try InferenceEngine(
      model: FakeModel(onForward: { _ in gate.wait() }),
      configuration: EngineConfiguration(maximumSequences: 1))
    let streams = try [1, 2].map { try engine.submit(request($0, maximumTokens: 200)) }
    try await gate.waitForArrival()
    let stopped = Task { await engine.shutdown() }
    try await eventually { refusal(of: request(3), by: engine) == .draining }
    gate.open()
    for stream in streams {
      await #expect(throws: InferenceError.shutDown) { try await Generation(stream) }
    }
    await stopped.value
    await engine.shutdown()
    #expect(engine.statistics.usedBlocks == 0)
  }

  @Test func theWatchdogSeesAHangingStep() async throws {
    let gate = Gate()
    let engine = try InferenceEngine(model: FakeModel(onForward: { _ in gate.wait() }))
    #expect(engine.statistics.secondsSinceProgress == nil)
    let stream = try engine.submit(request(1))
    try await gate.waitForArrival()
    let before = try #require(engine.statistics.secondsSinceProgress)
    try await eventually { engine.statistics.secondsSinceProgress ?? 0 > before }
    gate.open()
    _ = try await Generation(stream)
    try await eventually { engine.statistics.secondsSinceProgress == nil }
    await engine.shutdown()
  }

  @Test func droppingTheEngineEndsItsRequests() async throws {
    let gate = Gate()
    var engine: InferenceEngine? = try InferenceEngine(
      model: FakeModel(onForward: { _ in gate.wait() }))
    let stream = try #require(try engine?.submit(request(1, maximumTokens: 200)))
    try await gate.waitForArrival()
    engine = nil
    gate.open()
    await #expect(throws: InferenceError.shutDown) { try await Generation(stream) }
  }
}
