// The engine over real, if tiny, Llama models: transformers' own continuations, and the same bits
// whatever else is in the batch, however prompts are cut and whoever is preempted.

import Inference
import JSON
import Quantization
import Testing
import Transformer

@Suite(.timeLimit(.minutes(10))) struct LlamaEngineTests {
  private func load(
    _ name: String, _ scheme: QuantizationScheme = .none
  ) throws -> CausalLM {
    try CausalLM.load(
      directory: Fixtures.directory("models/\(name)"), scheme: scheme, pool: Fixtures.pool)
  }

  @Test(arguments: [
    "llama-mha-untied", "llama-mha-tied", "llama-gqa-tied-sharded", "llama-rope-llama3",
    "llama-rope-linear", "llama-bias", "llama-head-dimension",
  ])
  func greedyContinuationsAreThoseOfTransformers(_ name: String) async throws {
    let golden = try Fixtures.json("models/\(name)/golden.json")
    let prompt = try #require(golden["tokens"]).integers
    let continuation = try #require(golden["continuation"]).integers
    #expect(prompt.count == 140 && continuation.count == 24)
    // 33 tokens per step: chunks that end within and at the borders of blocks.
    let engine = try InferenceEngine(
      model: load(name), configuration: EngineConfiguration(tokensPerStep: 33))
    let result = try await engine.run(
      GenerationRequest(
        prompt: prompt, sampling: SamplingParameters(temperature: 0), maximumTokens: 24,
        ignoreEndOfSequence: true))
    #expect(result.ids == continuation)
    await engine.shutdown()
  }

  /// Windows, experts, norms around; and a sequence that grows beyond the original context of its
  /// rotary embedding, where all of its keys are computed anew.
  @Test(arguments: ["mistral", "mixtral", "gemma3", "phi3-long", "phi3-crossing"])
  func otherFamiliesContinueAsInTransformers(_ name: String) async throws {
    let directory = name == "phi3-crossing" ? "phi3-long" : name
    let golden = try Fixtures.json("models/\(directory)/golden.json")
    let isCrossing = directory != name
    let prompt = try #require(golden[isCrossing ? "crossing_tokens" : "tokens"]).integers
    let continuation = try #require(golden[isCrossing ? "crossing" : "continuation"]).integers
    let engine = try InferenceEngine(
      model: load(directory), configuration: EngineConfiguration(tokensPerStep: 33))
    let request = GenerationRequest(
      prompt: prompt, sampling: SamplingParameters(temperature: 0),
      maximumTokens: continuation.count, ignoreEndOfSequence: true)
    for _ in 0..<2 {  // the second time from the cache
      let result = try await engine.run(request)
      #expect(result.ids == continuation)
    }
    await engine.shutdown()
  }

  @Test func theModelsEndTokensAreKnown() throws {
    #expect(try load("llama-gqa-tied-sharded").endOfSequenceTokens == [2, 5])
  }

  private func request(_ index: Int) -> GenerationRequest {
    GenerationRequest(
      prompt: (0..<[3, 70, 33, 20, 64][index % 5]).map { Int32(($0 * 37 + index * 11) % 250) },
      sampling: SamplingParameters(
        temperature: index.isMultiple(of: 2) ? 0.8 : 0, topP: 0.9, seed: UInt64(index)),
      maximumTokens: 90, ignoreEndOfSequence: true, logprobs: 5,
      echoPromptLogprobs: index == 1)
  }

  @Test(arguments: QuantizationScheme.allCases)
  func batchedChunkedAndPreemptedEqualsAlone(_ scheme: QuantizationScheme) async throws {
    let model = try load("llama-gqa-tied-sharded", scheme)
    let alone = try InferenceEngine(
      model: model, configuration: EngineConfiguration(contextLength: 160, tokensPerStep: 256))
    var expected: [Generation] = []
    for index in 0..<5 { expected.append(try await alone.run(request(index))) }
    await alone.shutdown()

    let crowded = try InferenceEngine(
      model: model,
      configuration: EngineConfiguration(
        maximumSequences: 5, contextLength: 160, kvMemoryByteCount: 8 * model.kvBytesPerBlock,
        tokensPerStep: 23))
    let streams = try (0..<5).map { try crowded.submit(request($0)) }
    for (stream, expected) in zip(streams, expected) {
      let result = try await Generation(stream)
      #expect(result.tokens == expected.tokens)
      #expect(result.promptLogprobs == expected.promptLogprobs)
      #expect(result.tokens.count == 90)
    }
    await crowded.shutdown()
    #expect(crowded.statistics.preemptions > 0)
    #expect(crowded.statistics.usedBlocks == 0)
  }

  /// Four blocks come from the cache and the beginning of a fifth; tokens and log probabilities are those of a cold start.
  @Test(arguments: QuantizationScheme.allCases)
  func aCachedPrefixEqualsAFreshOne(_ scheme: QuantizationScheme) async throws {
    let model = try load("llama-gqa-tied-sharded", scheme)
    let prefix = (0..<130).map { Int32($0 * 29 % 250) }
    func request(_ ending: [Int32]) -> GenerationRequest {
      GenerationRequest(
        prompt: prefix + ending, sampling: SamplingParameters(temperature: 0.7, seed: 3),
        maximumTokens: 70, ignoreEndOfSequence: true, logprobs: 5)
    }
    let warm = try InferenceEngine(
      model: model, configuration: EngineConfiguration(tokensPerStep: 64))
    _ = try await warm.run(request([9, 8, 7]))
    for (ending, count) in [([1], 130), ([5, 6, 7, 8], 130), ([9, 8, 7], 132)] as [([Int32], Int)] {
      let cold = try InferenceEngine(model: model)
      let fresh = try await cold.run(request(ending))
      let cached = try await warm.run(request(ending))
      #expect(fresh.usage?.cachedTokens == 0 && cached.usage?.cachedTokens == count)
      #expect(cached.tokens == fresh.tokens)
      #expect(cached.tokens.count == 70)
      await cold.shutdown()
    }
    await warm.shutdown()
  }
}
