// RAG-Token and RAG-Sequence against brute force: every step's distribution, and every sequence that a
// tiny model can say, computed in float64 from the formulas of Lewis et al. 2020 without any engine.

import Glibc
import Testing
import Transformer

@testable import Inference

/// The formulas, over prompts z with probabilities p(z).
struct BruteForce {
  let model: FakeModel
  let prompts: [[Int32]]
  /// Normalised.
  let weights: [Double]

  init(_ model: FakeModel, _ prompts: [[Int32]], logWeights: [Double]) {
    self.model = model
    self.prompts = prompts
    let unnormalised = logWeights.map(exp)
    weights = unnormalised.map { $0 / unnormalised.reduce(0, +) }
  }

  /// p(. | z, y)
  private func distribution(_ prompt: [Int32], _ output: [Int32]) -> [Double] {
    let weights = model.expectedLogits(after: prompt + output).map { exp(Double($0)) }
    let total = weights.reduce(0, +)
    return weights.map { $0 / total }
  }

  /// sum_z p(z) p(. | z, y)
  func step(after output: [Int32]) -> [Double] {
    var mixed = [Double](repeating: 0, count: model.vocabularySize)
    for (prompt, weight) in zip(prompts, weights) {
      for (token, p) in distribution(prompt, output).enumerated() { mixed[token] += weight * p }
    }
    return mixed
  }

  /// sum_z p(z) prod_i p(y_i | z, y_<i)
  func sequence(_ output: [Int32]) -> Double {
    zip(prompts, weights).reduce(0) { sum, pair in
      let (prompt, weight) = pair
      return output.indices.reduce(weight) { product, index in
        product * distribution(prompt, Array(output[..<index]))[Int(output[index])]
      } + sum
    }
  }

  /// All sequences that end with `end`, or without it at `length` tokens.
  func sequences(length: Int, end: Int32) -> [[Int32]] {
    var open: [[Int32]] = [[]]
    var done: [[Int32]] = []
    for _ in 0..<length {
      open = open.flatMap { begun in
        (0..<Int32(model.vocabularySize)).map { begun + [$0] }
      }
      done += open.filter { $0.last == end }
      open.removeAll { $0.last == end }
    }
    return done + open
  }
}

@Suite(.timeLimit(.minutes(2))) struct MixtureTests {
  private let prompts: [[Int32]] = [[1, 2, 3, 4, 5, 6], [1, 2, 3], [2, 2, 7, 1, 1, 1, 1, 0, 3]]
  private let logWeights = [-0.2, -1.1, -3.0]

  private func request(
    _ sampling: SamplingParameters, maximumTokens: Int = 12, logprobs: Int? = nil,
    choice: Int = 0
  ) -> GenerationRequest {
    var request = GenerationRequest(
      prompt: prompts[0], sampling: sampling, maximumTokens: maximumTokens, logprobs: logprobs,
      choice: choice)
    request.mixture = PromptMixture(
      others: Array(prompts.dropFirst()), logWeights: logWeights)
    return request
  }

  // MARK: RAG-Token

  @Test func eachStepsDistributionIsTheMixture() async throws {
    let model = FakeModel(vocabularySize: 12)
    let engine = try InferenceEngine(model: model)
    let truth = BruteForce(model, prompts, logWeights: logWeights)
    let result = try await engine.run(
      request(SamplingParameters(temperature: 1, seed: 5), logprobs: 12))
    #expect(result.tokens.count == 12)
    for (index, token) in result.tokens.enumerated() {
      let expected = truth.step(after: Array(result.ids[..<index]))
      #expect(token.top.count == 12)
      for alternative in token.top {
        let error = abs(exp(Double(alternative.logprob)) - expected[Int(alternative.id)])
        #expect(error < 1e-6)
      }
    }
    // Not what the likeliest prompt says by itself.
    let alone = try await engine.run(
      GenerationRequest(
        prompt: prompts[0], sampling: SamplingParameters(temperature: 1, seed: 5),
        maximumTokens: 12, logprobs: 12))
    #expect(alone.tokens[0].top != result.tokens[0].top)
    #expect(result.usage?.promptTokens == 18)
    await engine.shutdown()
  }

  @Test func greedyTakesTheLikeliestOfTheMixture() async throws {
    let model = FakeModel(vocabularySize: 12)
    let engine = try InferenceEngine(model: model)
    let truth = BruteForce(model, prompts, logWeights: logWeights)
    let result = try await engine.run(request(SamplingParameters(temperature: 0)))
    for (index, token) in result.ids.enumerated() {
      let expected = truth.step(after: Array(result.ids[..<index]))
      #expect(expected[Int(token)] == expected.max())
    }
    await engine.shutdown()
  }

  /// Temperature, filters and penalties see the mixture's logarithm and the tokens of all prompts.
  @Test func processorsAreAppliedToTheMixture() async throws {
    let model = FakeModel(vocabularySize: 12)
    let engine = try InferenceEngine(model: model)
    let parameters = SamplingParameters(
      temperature: 0.8, topP: 0.9, topK: 9, minP: 0.01, repetitionPenalty: 1.2,
      presencePenalty: 0.3, frequencyPenalty: 0.2, logitBias: [4: 1], seed: 3)
    let result = try await engine.run(request(parameters, maximumTokens: 30))
    let truth = BruteForce(model, prompts, logWeights: logWeights)
    let sampler = Sampler(parameters, seed: 3)
    var history = TokenHistory(prompt: prompts.flatMap(\.self))
    for (index, token) in result.ids.enumerated() {
      let row = truth.step(after: Array(result.ids[..<index])).map { Float(log($0)) }
      let allowed = try row.withUnsafeBufferPointer {
        try sampler.distribution($0, history: history)
      }
      #expect(allowed[Int(token)] > 0)
      history.append(token)
    }
    #expect(Set(result.ids).count > 4)
    await engine.shutdown()
  }

  @Test func frequenciesOfAFirstTokenFollowTheMixture() async throws {
    let model = FakeModel(vocabularySize: 12)
    let engine = try InferenceEngine(model: model)
    let expected = BruteForce(model, prompts, logWeights: logWeights).step(after: [])
    var counts = [Double](repeating: 0, count: 12)
    let draws = 2_000
    for choice in 0..<draws {
      let result = try await engine.run(
        request(SamplingParameters(seed: 9), maximumTokens: 1, choice: choice))
      counts[Int(result.ids[0])] += 1
    }
    for (count, probability) in zip(counts, expected) {
      #expect(abs(count / Double(draws) - probability) < 0.04)
    }
    await engine.shutdown()
  }

  @Test func stopTokensAndLimitsEndTheWholeGroup() async throws {
    let plain = FakeModel(vocabularySize: 12)
    let engine = try InferenceEngine(model: plain)
    let whole = try await engine.run(request(SamplingParameters(temperature: 0)))
    #expect(whole.reason == .length)
    var stopping = request(SamplingParameters(temperature: 0))
    stopping.stopTokens = [whole.ids[3]]
    let stopped = try await engine.run(stopping)
    let cut = try #require(whole.ids.firstIndex(of: whole.ids[3]))
    #expect(stopped.ids == Array(whole.ids[..<cut]) && stopped.reason == .stop)
    try await eventually { engine.statistics.usedBlocks == 0 }
    await engine.shutdown()
  }

  @Test func oneOfTwoPromptsWithAllTheWeightIsThatPrompt() async throws {
    let model = FakeModel(vocabularySize: 12)
    let engine = try InferenceEngine(model: model)
    var request = request(SamplingParameters(temperature: 0))
    request.mixture = PromptMixture(others: [prompts[1]], logWeights: [-1e6, 0])
    let result = try await engine.run(request)
    #expect(result.ids == model.greedy(prompts[1], count: 12))
    await engine.shutdown()
  }

  @Test func weightsAreNormalised() {
    let mixture = PromptMixture(others: [[1]], logWeights: [700, 701])
    let sum = mixture.logWeights.reduce(0) { $0 + exp($1) }
    #expect(abs(sum - 1) < 1e-12)
    #expect(PromptMixture.logSum([]) == -.infinity)
    #expect(PromptMixture.logSum([-.infinity, -.infinity]) == -.infinity)
  }

  // MARK: Side by side

  /// The same tokens and log probabilities whatever else is computed and however prompts are cut.
  @Test func companyAndChunksChangeNothing() async throws {
    let sampling = SamplingParameters(temperature: 0.9, topP: 0.95, seed: 4)
    let alone = try InferenceEngine(model: FakeModel())
    let expected = try await alone.run(request(sampling, maximumTokens: 30, logprobs: 3))
    await alone.shutdown()
    for (sequences, tokens) in [(8, 256), (4, 5), (3, 3)] {
      let engine = try InferenceEngine(
        model: FakeModel(),
        configuration: EngineConfiguration(maximumSequences: sequences, tokensPerStep: tokens))
      let others = try (0..<6).map {
        try engine.submit(
          GenerationRequest(
            prompt: (0...Int32($0 * 4)).map { $0 % 7 }, sampling: sampling, maximumTokens: 25))
      }
      let groups = try (0..<3).map { _ in
        try engine.submit(request(sampling, maximumTokens: 30, logprobs: 3))
      }
      for group in groups {
        let result = try await Generation(group)
        #expect(result.tokens == expected.tokens)
      }
      for other in others { _ = try await Generation(other) }
      try await eventually { engine.statistics.usedBlocks == 0 }
      await engine.shutdown()
    }
  }

  /// A member that loses its blocks stops the whole group's step, and nothing changes.
  @Test func preemptionChangesNothing() async throws {
    let sampling = SamplingParameters(temperature: 0.9, seed: 4)
    let alone = try InferenceEngine(model: FakeModel())
    let expected = try await alone.run(request(sampling, maximumTokens: 20))
    await alone.shutdown()
    let model = FakeModel()
    let engine = try InferenceEngine(
      model: model,
      configuration: EngineConfiguration(
        maximumSequences: 8, kvMemoryByteCount: 26 * model.kvBytesPerBlock, tokensPerStep: 32))
    let other = try engine.submit(
      GenerationRequest(
        prompt: [1, 1, 1], sampling: SamplingParameters(temperature: 0), maximumTokens: 60))
    let groups = try (0..<3).map { _ in try engine.submit(request(sampling, maximumTokens: 20)) }
    var preemptions = 0
    for group in groups {
      let result = try await Generation(group)
      #expect(result.ids == expected.ids)
      preemptions += result.usage?.preemptions ?? 0
    }
    #expect(try await Generation(other).ids == model.greedy([1, 1, 1], count: 60))
    #expect(preemptions > 0)
    try await eventually { engine.statistics.usedBlocks == 0 }
    await engine.shutdown()
  }

  @Test func aGroupWithoutRoomIsRefused() async throws {
    let model = FakeModel()
    let few = try InferenceEngine(
      model: model, configuration: EngineConfiguration(maximumSequences: 2))
    #expect(few.room(sideBySide: [1, 1]) > 0 && few.room(sideBySide: [1, 1, 1]) == 0)
    #expect(throws: InferenceError.self) { try few.submit(request(SamplingParameters())) }
    await few.shutdown()
    // Of 8 blocks of 4, the prompts need 2 + 1 + 3 and their growth 2: that leaves a token each.
    let small = try InferenceEngine(
      model: model,
      configuration: EngineConfiguration(kvMemoryByteCount: 8 * model.kvBytesPerBlock))
    #expect(small.room(sideBySide: prompts.map(\.count)) == 1)
    let result = try await small.run(request(SamplingParameters(temperature: 0), maximumTokens: 99))
    #expect(result.tokens.count == 1 && result.reason == .length)
    await small.shutdown()
  }

  @Test func aClientThatLeavesTakesTheWholeGroupAlong() async throws {
    let engine = try InferenceEngine(model: FakeModel(contextLength: 4_096))
    var stream: AsyncThrowingStream<GenerationEvent, any Error>? = try engine.submit(
      request(SamplingParameters(), maximumTokens: 3_000))
    if let stream { for try await _ in stream { break } }
    stream = nil
    try await eventually { engine.statistics.running == 0 && engine.statistics.usedBlocks == 0 }
    await engine.shutdown()
  }

  @Test func aFailureOfOneMemberFailsTheGroup() async throws {
    let model = FakeModel(onForward: { batch in
      if batch.spans.contains(where: { $0.tokens.contains(7) }) { throw ForwardFailure() }
    })
    let engine = try InferenceEngine(model: model)
    await #expect(throws: InferenceError.self) {
      _ = try await engine.run(request(SamplingParameters(temperature: 0)))
    }
    let next = try await engine.run(
      GenerationRequest(prompt: [1], sampling: SamplingParameters(temperature: 0), maximumTokens: 1)
    )
    #expect(next.tokens.count == 1)
    try await eventually { engine.statistics.usedBlocks == 0 }
    await engine.shutdown()
  }

  // MARK: RAG-Sequence

  /// 4 tokens, of which one ends: 40 sequences of up to three. The prompts count nearly the same, and
  /// each would say something else by itself.
  @Test(arguments: 0..<4 as Range<Int32>)
  func theMostProbableSequenceIsFound(salt: Int32) async throws {
    let model = FakeModel(vocabularySize: 4, endOfSequenceTokens: [3])
    let engine = try InferenceEngine(model: model)
    let logWeights = [-1.2, -1.1, -1.0]
    let prompts = prompts.map { $0.map { ($0 + salt) % 4 } }
    let truth = BruteForce(model, prompts, logWeights: logWeights)
    let all = truth.sequences(length: 3, end: 3)
    #expect(all.count == 40)
    #expect(abs(all.reduce(0) { $0 + truth.sequence($1) } - 1) < 1e-9)
    let best = try #require(all.max { truth.sequence($0) < truth.sequence($1) })
    let text = best.filter { $0 != 3 }

    var request = GenerationRequest(
      prompt: prompts[0], sampling: SamplingParameters(temperature: 1.5, seed: 1),
      maximumTokens: 3)
    request.mixture = PromptMixture(others: Array(prompts.dropFirst()), logWeights: logWeights)
    let result = try await TextResult(
      engine.submitMarginal(request, candidates: 24, decoder: Digits(), stops: []))
    #expect(result.text == text.map { "\($0)" }.joined())
    #expect(result.reason == (best.last == 3 ? .stop : .length))
    await engine.shutdown()
  }

  @Test func candidatesAreScoredAsByBruteForce() async throws {
    let model = FakeModel(vocabularySize: 5, endOfSequenceTokens: [4])
    let engine = try InferenceEngine(model: model)
    let truth = BruteForce(model, prompts.map { $0.map { $0 % 5 } }, logWeights: logWeights)
    var request = GenerationRequest(
      prompt: truth.prompts[0], sampling: SamplingParameters(temperature: 1, seed: 2),
      maximumTokens: 6)
    request.mixture = PromptMixture(
      others: Array(truth.prompts.dropFirst()), logWeights: logWeights)
    let marginal = SequenceMarginal(
      engine: engine, request: request, decoder: Digits(), stops: [])
    let (candidates, usage) = try await marginal.candidates(try marginal.submitCandidates(6))
    #expect(candidates.count > 6)
    #expect(Set(candidates.map(\.ids)).count == candidates.count)
    for candidate in candidates {
      let expected = log(truth.sequence(candidate.ids))
      #expect(abs(candidate.score(request.mixture?.logWeights ?? []) - expected) < 1e-5)
      #expect(candidate.textCount == candidate.ids.count { $0 != 4 })
    }
    #expect(usage.completionTokens >= candidates.count)
    await engine.shutdown()
  }

  /// Greedy candidates, one per prompt: what wins can be another than the likeliest prompt's.
  @Test func greedyCandidatesAreOnePerPrompt() async throws {
    let model = FakeModel(vocabularySize: 6)
    let engine = try InferenceEngine(model: model)
    var request = GenerationRequest(
      prompt: prompts[0].map { $0 % 6 }, sampling: SamplingParameters(temperature: 0),
      maximumTokens: 4)
    let others = prompts.dropFirst().map { $0.map { $0 % 6 } }
    request.mixture = PromptMixture(others: others, logWeights: logWeights)
    let marginal = SequenceMarginal(
      engine: engine, request: request, decoder: Digits(), stops: [])
    let (candidates, _) = try await marginal.candidates(try marginal.submitCandidates(4))
    let greedy = request.prompts.map { model.greedy($0, count: 4) }
    #expect(Set(candidates.map(\.ids)) == Set(greedy))
    let truth = BruteForce(model, request.prompts, logWeights: logWeights)
    let best = try #require(greedy.max { truth.sequence($0) < truth.sequence($1) })
    let result = try await TextResult(
      engine.submitMarginal(request, candidates: 4, decoder: Digits(), stops: []))
    #expect(result.text == best.map { "\($0)" }.joined())
    #expect(result.usage?.completionTokens == 12)
    await engine.shutdown()
  }

  @Test func stopStringsEndCandidates() async throws {
    let model = FakeModel(vocabularySize: 6)
    let engine = try InferenceEngine(model: model)
    var request = GenerationRequest(
      prompt: [1, 2], sampling: SamplingParameters(temperature: 0), maximumTokens: 10)
    request.mixture = PromptMixture(others: [[1, 2, 1, 2]], logWeights: [5, 0])
    let whole = model.greedy([1, 2], count: 10).map { "\($0)" }.joined()
    let stop = String(whole.dropFirst(4).prefix(2))
    let result = try await TextResult(
      engine.submitMarginal(request, candidates: 1, decoder: Digits(), stops: [stop]))
    #expect(!result.text.contains(stop))
    #expect(result.reason == .stop)
    await engine.shutdown()
  }
}

/// A token is its number.
private struct Digits: TokenDecoder {
  mutating func append(_ id: Int32) -> String { "\(id)" }
  mutating func finish() -> String { "" }
}

private struct TextResult {
  var text = ""
  var reason: FinishReason?
  var usage: GenerationUsage?

  init(_ stream: GenerationTextStream) async throws {
    for try await event in stream {
      switch event {
      case .promptLogprobs: break
      case .delta(let delta): text += delta.text
      case .finished(let reason, _, let usage): (self.reason, self.usage) = (reason, usage)
      }
    }
  }
}
