// A request's tokens and log probabilities are the same bits whatever else is computed, however its
// prompt is cut, whatever the cache has of it and on however many threads; with the model by itself and
// with adapters, side by side. Real kernels on small models whose widths take the vector paths, over
// several KV blocks; each instruction set in a process of its own, since the choice is made once.

import CKernels
import Compute
import Glibc
import Inference
import Quantization
import Testing
import Transformer

@Suite(.timeLimit(.minutes(10))) struct BatchInvarianceTests {
  static let instructionSets =
    (["portable", "avx2", "avx512", "avx512vnni", "avx512bf16"] as [String]).filter {
      martlet_kernels_named($0) != nil
    }

  @Test(arguments: instructionSets)
  func everyWayGivesTheSameBits(_ instructionSet: String) async {
    await #expect(processExitsWith: .success) { [instructionSet] in
      setenv("MARTLET_ISA", instructionSet, 1)
      #expect(String(cString: kernels.name) == instructionSet)
      for scheme in QuantizationScheme.allCases {
        try await Invariance(
          name: "llama-gqa-tied-sharded", scheme: scheme,
          adapterNames: ["wide-lora", "wide-dora", "wide-prefix", "wide-ia3"]
        ).check()
      }
      // Windows, caps and norms around; experts; keys that depend on the sequence's length.
      for name in ["gemma2", "qwen2-moe", "phi3-long"] {
        try await Invariance(name: name, scheme: .int4, vocabularySize: 96).check()
      }
    }
  }
}

/// One model in all the ways.
private struct Invariance {
  let name: String
  let scheme: QuantizationScheme
  var vocabularySize = 250
  var adapterNames: [String] = []

  func check() async throws {
    let expected = try await expected()
    for threads in [1, 2] {
      let model = try model(threads: threads)
      for chunk in [1, 7, 64, 512] { try await alone(model, chunk: chunk, expected) }
      try await inCompany(model, expected)
      try await fourTimesAtOnce(model, expected)
      try await fromAWarmCache(model, expected)
    }
  }

  private func model(threads: Int) throws -> CausalLM {
    try CausalLM.load(
      directory: Fixtures.directory("models/\(name)"), scheme: scheme,
      pool: ThreadPool(threads: threads))
  }

  /// Prompts of one to five blocks, sampled and greedy; one wants its prompt's log probabilities.
  private func requests(to model: CausalLM) throws -> [GenerationRequest] {
    let adapters = try adapterNames.map {
      try model.loadAdapter(directory: Fixtures.directory("adapters/\($0)"))
    }
    let choices = [nil, 0, 1, nil, 2, 3, 0, nil].map { choice in
      choice.flatMap { adapters.indices.contains($0) ? adapters[$0] : nil }
    }
    let plain = choices.enumerated().map { index, adapter in
      GenerationRequest(
        prompt: (0..<[140, 31, 64, 3, 97, 32, 120, 65][index]).map {
          Int32(($0 * 37 + index * 11) % vocabularySize)
        },
        sampling: SamplingParameters(temperature: index.isMultiple(of: 2) ? 0.9 : 0, seed: 7),
        maximumTokens: 40, ignoreEndOfSequence: true, logprobs: 4,
        echoPromptLogprobs: index == 4, adapter: adapter)
    }
    // Several prompts, whose tokens are drawn from the mixture of all.
    var mixed = plain[2]
    mixed.mixture = PromptMixture(
      others: [plain[0].prompt, plain[5].prompt], logWeights: [0, -0.5, -1])
    return plain + [mixed]
  }

  /// Each request alone, its prompt in one piece, on one thread.
  private func expected() async throws -> [Generation] {
    let model = try model(threads: 1)
    var results: [Generation] = []
    for request in try requests(to: model) {
      let engine = try engine(model, chunk: 512)
      results.append(try await engine.run(request))
      await engine.shutdown()
    }
    #expect(results.allSatisfy { $0.tokens.count == 40 })
    return results
  }

  private func alone(_ model: CausalLM, chunk: Int, _ expected: [Generation]) async throws {
    let requests = try requests(to: model)
    for index in [0, 4] {
      let engine = try engine(model, chunk: chunk, sequences: 1)
      expectSame(try await engine.run(requests[index]), expected[index], "in chunks of \(chunk)")
      await engine.shutdown()
    }
  }

  private func inCompany(_ model: CausalLM, _ expected: [Generation]) async throws {
    let engine = try engine(model, chunk: 64)
    let streams = try requests(to: model).map { try engine.submit($0) }
    for (stream, expected) in zip(streams, expected) {
      expectSame(try await Generation(stream), expected, "among seven others")
    }
    await engine.shutdown()
  }

  /// One computes the prompt, the others share its blocks and copy the last.
  private func fourTimesAtOnce(_ model: CausalLM, _ expected: [Generation]) async throws {
    let engine = try engine(model, chunk: 64)
    for (request, expected) in zip(try requests(to: model), expected) {
      let streams = try (0..<4).map { _ in try engine.submit(request) }
      for stream in streams {
        expectSame(try await Generation(stream), expected, "four times at once")
      }
    }
    await engine.shutdown()
  }

  private func fromAWarmCache(_ model: CausalLM, _ expected: [Generation]) async throws {
    let engine = try engine(model, chunk: 64)
    let requests = try requests(to: model)
    for round in 0..<2 {
      for (request, expected) in zip(requests, expected) {
        let result = try await engine.run(request)
        expectSame(result, expected, "from a warm cache")
        guard round == 1, !request.echoPromptLogprobs, request.mixture == nil else { continue }
        // All but the last; where a sequence was computed anew as it grew, whole blocks for certain.
        let all = request.prompt.count - 1
        let least = model.recomputationLength == nil ? all : all / 32 * 32
        let cached = result.usage?.cachedTokens ?? 0
        #expect(cached >= least && cached <= all, "\(name) in \(scheme): \(cached) of \(all)")
      }
    }
    await engine.shutdown()
  }

  private func engine(
    _ model: CausalLM, chunk: Int, sequences: Int = 8
  ) throws -> InferenceEngine {
    try InferenceEngine(
      model: model,
      configuration: EngineConfiguration(maximumSequences: sequences, tokensPerStep: chunk))
  }

  private func expectSame(_ result: Generation, _ expected: Generation, _ how: Comment) {
    #expect(result.tokens == expected.tokens, "\(name) in \(scheme) \(how)")
    #expect(result.promptLogprobs == expected.promptLogprobs, "\(name) in \(scheme) \(how)")
  }
}
