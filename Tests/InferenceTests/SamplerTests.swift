// The sampler's choices: reproducible, distributed as promised, exact without sorting, and an error
// instead of noise on broken logits.

import Testing

@testable import Inference

@Suite struct SamplerTests {
  private func sample(
    _ logits: [Float], _ parameters: SamplingParameters, seed: UInt64 = 1, choice: Int = 0,
    position: Int = 0, history: TokenHistory = TokenHistory(prompt: [])
  ) throws -> Int32 {
    var scratch = SamplingScratch()
    let sampler = Sampler(parameters, seed: seed, choice: choice)
    return try logits.withUnsafeBufferPointer {
      try sampler.sample($0, history: history, position: position, scratch: &scratch)
    }
  }

  @Test func greedyTakesTheLowestOfEquals() throws {
    #expect(try sample([1, 3, 3, 2], SamplingParameters(temperature: 0)) == 1)
  }

  @Test func greedyIsThereForTinyTemperatures() throws {
    #expect(try sample([1e30, 2e30, -1e30], SamplingParameters(temperature: 1e-30)) == 1)
  }

  @Test func frequenciesFollowTheDistribution() throws {
    let logits: [Float] = [0, 1, 2, -1, 0.5]
    let parameters = SamplingParameters(temperature: 0.8, topK: 4)
    let expected = try logits.withUnsafeBufferPointer {
      try Sampler(parameters, seed: 0).distribution($0, history: TokenHistory(prompt: []))
    }
    var counts = [Int](repeating: 0, count: logits.count)
    let draws = 20_000
    for position in 0..<draws {
      counts[Int(try sample(logits, parameters, seed: 42, position: position))] += 1
    }
    #expect(counts[3] == 0)
    for (count, probability) in zip(counts, expected) {
      #expect(abs(Double(count) / Double(draws) - probability) < 0.012)
    }
  }

  @Test func choicesDependOnSeedChoiceAndPositionOnly() throws {
    let logits = [Float](repeating: 0, count: 1_000)
    let parameters = SamplingParameters()
    let base = try sample(logits, parameters)
    #expect(try sample(logits, parameters) == base)
    #expect(try sample(logits, parameters, seed: 2) != base)
    #expect(try sample(logits, parameters, choice: 1) != base)
    #expect(try sample(logits, parameters, position: 1) != base)
  }

  /// Pins the documented order: Philox, then the inverse CDF over ascending ids.
  @Test func choiceIsTheInverseOfTheCumulativeDistributionInIDOrder() throws {
    let logits = [Float](repeating: 0, count: 1_000)
    for position in 0..<50 {
      let uniform = Philox.uniform(seed: 9, choice: 3, position: UInt64(position))
      let token = try sample(
        logits, SamplingParameters(), seed: 9, choice: 3, position: position)
      #expect(token == Int32(uniform * 1_000))
    }
  }

  @Test func topPSurvivesExtremes() throws {
    for probability: Float in [0, 1e-9, 0.5, 0.999_999_9] {
      for logits: [Float] in [
        [0], [-.infinity, 1, -.infinity], [3e38, -3e38, 0], [5, 5, 5, 5], [0, -1_000, -1_000],
      ] {
        let best = logits.indices.filter { logits[$0] == logits.max() }.map { Int32($0) }
        let token = try sample(logits, SamplingParameters(topP: probability))
        #expect(best.contains(token))
      }
    }
  }

  /// A score that float32 can't hold makes all others impossible.
  @Test func overflowingScoresMeanArgmax() throws {
    for parameters in [
      SamplingParameters(temperature: 1e-4), SamplingParameters(temperature: 1e-4, topP: 0.5),
      SamplingParameters(temperature: 1e-4, topK: 2),
      SamplingParameters(temperature: 1e-4, minP: 0.5),
    ] {
      #expect(try sample([1, 3e38, 3e38, 2e38], parameters) == 1)
      #expect(try sample([-3e38, -2e38], parameters) == 1)
    }
  }

  @Test func largestScoresMatchAFullSort() {
    var source = RandomSource(seed: 5)
    for count in [1, 2, 20, 500] {
      // Few distinct values, so that ties are common.
      let scores = (0..<500).map { _ in Float(Int.random(in: 0..<40, using: &source)) }
      var largest = LargestScores(capacity: count)
      for (id, score) in scores.enumerated() { largest.insert(id: Int32(id), score: score) }
      let expected = scores.indices.sorted {
        scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1
      }
      #expect(largest.sorted.map { Int($0.id) } == Array(expected.prefix(count)))
      #expect(largest.worst == largest.sorted.last)
    }
  }

  @Test(arguments: [Float.nan, .infinity]) func brokenLogitsAreAnError(_ value: Float) {
    for parameters in [
      SamplingParameters(temperature: 0), SamplingParameters(),
      // A penalty could hide the broken value; the raw row counts.
      SamplingParameters(logitBias: [1: -100]),
    ] {
      #expect(throws: InferenceError.nonFiniteLogits(token: 1, value: "\(value)")) {
        try sample([0, value, 1], parameters)
      }
    }
  }

  @Test func impossibleTokensAreNeverChosen() throws {
    for position in 0..<200 {
      let token = try sample([-.infinity, 0, -.infinity], SamplingParameters(), position: position)
      #expect(token == 1)
    }
    #expect(throws: InferenceError.noCandidates) {
      try sample([-.infinity, -.infinity], SamplingParameters())
    }
  }

  @Test func overflowingBiasIsAnErrorNotACrash() {
    #expect(throws: InferenceError.self) {
      try sample([3e38, 0], SamplingParameters(logitBias: [0: 3e38]))
    }
  }

  @Test(arguments: [
    (SamplingParameters(temperature: -1), "temperature"),
    (SamplingParameters(temperature: .nan), "temperature"),
    (SamplingParameters(temperature: .infinity), "temperature"),
    (SamplingParameters(topP: 1.1), "top_p"),
    (SamplingParameters(topP: -0.1), "top_p"),
    (SamplingParameters(topK: -1), "top_k"),
    (SamplingParameters(minP: 2), "min_p"),
    (SamplingParameters(repetitionPenalty: 0), "repetition_penalty"),
    (SamplingParameters(presencePenalty: .nan), "presence_penalty"),
    (SamplingParameters(frequencyPenalty: .infinity), "frequency_penalty"),
    (SamplingParameters(logitBias: [50: 1]), "logit_bias"),
    (SamplingParameters(logitBias: [-1: 1]), "logit_bias"),
    (SamplingParameters(logitBias: [1: .nan]), "logit_bias"),
  ])
  func parametersOutOfRangeAreNamed(_ parameters: SamplingParameters, _ field: String) {
    #expect {
      try parameters.validate(vocabularySize: 50)
    } throws: { error in
      guard case .invalidParameter(let name, _, _) = error as? InferenceError else { return false }
      return name == field
    }
  }
}
