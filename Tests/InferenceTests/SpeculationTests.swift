// Speculation changes how many steps a generation takes and nothing else: the same tokens, log
// probabilities and ends, bit for bit, whatever is sampled how, beside whom and with how little
// memory.

import Inference
import Quantization
import Testing
import Transformer

@Suite(.timeLimit(.minutes(5))) struct SpeculationTests {
  /// A model that likes to repeat what it said seven tokens ago. With a `bias` above eight, the range
  /// of the fake's logits, it always does where the most likely token is taken.
  private func repetitiveModel(bias: Float = 6) -> FakeModel {
    FakeModel(adjust: { tokens, logits in
      if tokens.count >= 7 { logits[Int(tokens[tokens.count - 7])] += bias }
    })
  }

  private func request(_ index: Int, using source: inout RandomSource) -> GenerationRequest {
    let prompt = (0...Int.random(in: 0..<30, using: &source)).map {
      Int32(($0 % 9 * 5 + index) % 50)
    }
    var sampling = SamplingParameters(
      temperature: [0, 0.3, 0.8, 1, 1.5].randomElement(using: &source) ?? 0,
      topP: [1, 0.9, 0.5].randomElement(using: &source) ?? 1,
      topK: [0, 3].randomElement(using: &source) ?? 0, seed: UInt64(index))
    if Bool.random(using: &source) { sampling.repetitionPenalty = 1.1 }
    if Bool.random(using: &source) { sampling.frequencyPenalty = 0.05 }
    if index.isMultiple(of: 4) { sampling.logitBias = [1: 3, 2: 3] }
    return GenerationRequest(
      prompt: prompt, sampling: sampling,
      maximumTokens: Int.random(in: 1...80, using: &source),
      stopTokens: Bool.random(using: &source) ? [13, 31] : [],
      logprobs: [nil, 0, 3].randomElement(using: &source) ?? nil,
      echoPromptLogprobs: index.isMultiple(of: 5), choice: index % 3)
  }

  private func requests(_ count: Int) -> [GenerationRequest] {
    var source = RandomSource(seed: 77)
    return (0..<count).map { request($0, using: &source) }
  }

  private func results(
    _ requests: [GenerationRequest], on model: some LanguageModel,
    _ configuration: EngineConfiguration
  ) async throws -> (generations: [Generation], statistics: EngineStatistics) {
    let engine = try InferenceEngine(model: model, configuration: configuration)
    let streams = try requests.map { try engine.submit($0) }
    var generations: [Generation] = []
    for stream in streams { generations.append(try await Generation(stream)) }
    await engine.shutdown()
    #expect(engine.statistics.usedBlocks == 0)
    return (generations, engine.statistics)
  }

  private func expectSame(_ results: [Generation], _ expected: [Generation]) {
    #expect(results.count == expected.count)
    for (result, expected) in zip(results, expected) {
      #expect(result.tokens == expected.tokens)
      #expect(result.promptLogprobs == expected.promptLogprobs)
      #expect(result.reason == expected.reason)
      #expect(result.usage?.completionTokens == expected.usage?.completionTokens)
    }
  }

  /// Alone, side by side, with too little memory, with steps too short for drafts.
  @Test(arguments: [
    EngineConfiguration(maximumSequences: 1, draftCost: 0),
    EngineConfiguration(maximumSequences: 6, draftCost: 0),
    EngineConfiguration(
      maximumSequences: 6, kvMemoryByteCount: 40 * 1_024, tokensPerStep: 24, draftCost: 0),
    EngineConfiguration(maximumSequences: 2, tokensPerStep: 3, draftCost: 0),
  ])
  func outputIsThatOfPlainDecoding(_ configuration: EngineConfiguration) async throws {
    let requests = requests(32)
    let model = repetitiveModel()
    let plain = try await results(
      requests, on: model, EngineConfiguration(maximumSequences: 1, speculation: .off))
    let speculative = try await results(requests, on: model, configuration)
    expectSame(speculative.generations, plain.generations)
    #expect(plain.statistics.draftedTokens == 0)
    let statistics = speculative.statistics
    #expect(statistics.acceptedDraftTokens > 0)
    #expect(statistics.draftedTokens > statistics.acceptedDraftTokens)
    #expect(statistics.generatedTokens == plain.statistics.generatedTokens)
    let accepted = speculative.generations.reduce(0) { $0 + ($1.usage?.acceptedDraftTokens ?? 0) }
    #expect(accepted == statistics.acceptedDraftTokens)
  }

  /// A text of period seven: after it has been said once, a step makes many tokens.
  @Test func repetitionTakesFewSteps() async throws {
    let request = GenerationRequest(
      prompt: [1, 2, 3, 4, 5, 6, 7], sampling: SamplingParameters(temperature: 0),
      maximumTokens: 200)
    let model = repetitiveModel(bias: 9)
    let plain = try await results([request], on: model, EngineConfiguration(speculation: .off))
    let speculative = try await results([request], on: model, EngineConfiguration(draftCost: 0.1))
    expectSame(speculative.generations, plain.generations)
    #expect(plain.statistics.steps == 200)
    #expect(speculative.statistics.steps < 50)
    let usage = try #require(speculative.generations.first?.usage)
    #expect(usage.acceptedDraftTokens > 150)
    #expect(usage.completionTokens == 200)
  }

  @Test func draftsAreNotMadeWhereTheyDoNotPay() async throws {
    let request = GenerationRequest(
      prompt: [1, 2, 3, 4, 5, 6, 7, 1, 2, 3], sampling: SamplingParameters(temperature: 0),
      maximumTokens: 60)
    let costly = try await results(
      [request], on: repetitiveModel(), EngineConfiguration(draftCost: 1))
    #expect(costly.statistics.draftedTokens == 0)
    #expect(costly.statistics.steps == 60)
  }

  @Test func aDraftThatEndsTheGenerationEndsIt() async throws {
    let period: [Int32] = [1, 2, 3, 4, 5, 6, 7]
    for end: Int32 in 1...7 {
      let request = GenerationRequest(
        prompt: period + period, sampling: SamplingParameters(temperature: 0), maximumTokens: 50,
        stopTokens: [end])
      let result = try await results(
        [request], on: repetitiveModel(bias: 9), EngineConfiguration(draftCost: 0))
      #expect(result.generations.first?.ids == Array(period.prefix(Int(end) - 1)))
      #expect(result.generations.first?.reason == .stop)
    }
  }

  private func biasedRequest(_ index: Int) -> GenerationRequest {
    let length = [3, 70, 33, 110, 64][index % 5]
    let temperature: Float = [0, 0.7, 1.5][index % 3]
    return GenerationRequest(
      prompt: (0..<length).map { Int32(($0 % 11 * 37 + index) % 250) },
      sampling: SamplingParameters(
        temperature: temperature, topP: 0.95,
        repetitionPenalty: index.isMultiple(of: 4) ? 1.05 : 1,
        logitBias: index < 5 ? [7: 40, 8: 39] : [:], seed: UInt64(index)),
      maximumTokens: 45, ignoreEndOfSequence: true, logprobs: 5)
  }

  /// Real kernels, every weight format, several KV blocks; bias makes two or three tokens so likely
  /// that drafts come true often, but not always.
  @Test(arguments: QuantizationScheme.allCases)
  func realModelsGiveTheSameBits(_ scheme: QuantizationScheme) async throws {
    let model = try CausalLM.load(
      directory: Fixtures.directory("models/llama-gqa-tied-sharded"), scheme: scheme,
      pool: Fixtures.pool)
    let requests = (0..<10).map(biasedRequest)
    let plain = try await results(
      requests, on: model, EngineConfiguration(contextLength: 160, speculation: .off))
    let speculative = try await results(
      requests, on: model,
      EngineConfiguration(maximumSequences: 3, contextLength: 160, draftCost: 0))
    expectSame(speculative.generations, plain.generations)
    #expect(speculative.statistics.acceptedDraftTokens > 50)
  }
}
