// The engine with adapters: what virtual tokens count as, that adapters share no prefix cache, and that
// a draft model guesses for sequences with adapters as for others.

import Inference
import Testing
import Transformer

@Suite(.timeLimit(.minutes(10))) struct AdapterEngineTests {
  private let model: CausalLM
  private let prefix: Adapter
  private let lora: Adapter

  init() throws {
    model = try CausalLM.load(
      directory: Fixtures.directory("models/llama-gqa-tied-sharded"), scheme: .int8,
      pool: Fixtures.pool)
    prefix = try model.loadAdapter(directory: Fixtures.directory("adapters/wide-prefix"))
    lora = try model.loadAdapter(directory: Fixtures.directory("adapters/wide-lora"))
  }

  private func request(_ count: Int, _ adapter: Adapter?, seed: UInt64 = 1) -> GenerationRequest {
    GenerationRequest(
      prompt: (0..<count).map { Int32($0 * 29 % 250) },
      sampling: SamplingParameters(temperature: 0.8, seed: seed), maximumTokens: 30,
      ignoreEndOfSequence: true, logprobs: 2, adapter: adapter)
  }

  @Test func virtualTokensTakeRoomButAreNoPrompt() async throws {
    #expect(prefix.virtualTokenCount == 37)
    let engine = try InferenceEngine(
      model: model, configuration: EngineConfiguration(contextLength: 64))
    let result = try await engine.run(request(20, prefix))
    #expect(result.usage?.promptTokens == 20)
    // 37 + 20 of 64
    #expect(result.tokens.count == 7)
    #expect(throws: InferenceError.contextLengthExceeded(promptTokens: 28, contextLength: 27)) {
      try engine.submit(request(28, prefix))
    }
    #expect(try await engine.run(request(28, nil)).tokens.count == 30)
    await engine.shutdown()
  }

  @Test func cachedPrefixesAreEachAdaptersOwn() async throws {
    let engine = try InferenceEngine(model: model)
    let again = try model.loadAdapter(directory: Fixtures.directory("adapters/wide-lora"))
    for (adapter, cached) in [
      (nil, 0), (lora, 0), (prefix, 0), (nil, 69), (lora, 69), (prefix, 69), (again, 0),
    ] as [(Adapter?, Int)] {
      let result = try await engine.run(request(70, adapter))
      #expect(result.usage?.cachedTokens == cached)
    }
    await engine.shutdown()
  }

  @Test func draftsChangeNothing() async throws {
    let plain = try InferenceEngine(
      model: model, configuration: EngineConfiguration(speculation: .off))
    let drafting = try InferenceEngine(
      model: model, draftModel: model,
      configuration: EngineConfiguration(speculation: .draft, draftCost: 0.01))
    for adapter in [prefix, lora] {
      let expected = try await plain.run(request(40, adapter))
      let result = try await drafting.run(request(40, adapter))
      #expect(result.tokens == expected.tokens)
    }
    await plain.shutdown()
    await drafting.shutdown()
  }
}
