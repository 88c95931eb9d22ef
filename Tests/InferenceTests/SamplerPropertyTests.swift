// The sampler, which looks at few tokens, against one that sorts all of them: the same survivors and
// the same choices for random rows and parameters, wide and narrow nuclei, ties and impossible
// tokens.

import Testing

@testable import Inference

@Suite struct SamplerPropertyTests {
  /// Rows of every kind: peaked, flat, full of ties, mostly impossible, huge and tiny.
  private func row(_ kind: Int, using source: inout RandomSource) -> [Float] {
    let count = [1, 5, 100, 1_000, 2_000, 12_000].randomElement(using: &source) ?? 1
    let scale: Float = [0, 0.01, 0.5, 2, 6, 1e4].randomElement(using: &source) ?? 1
    var logits = randomLogits(count, scale: scale, using: &source)
    switch kind {
    case 0: for index in logits.indices { logits[index].round() }
    case 1:
      for index in logits.indices where index % 7 != 3 && index > 0 { logits[index] = -.infinity }
    case 2: for index in logits.indices { logits[index] -= 500 }
    default: break
    }
    return logits
  }

  private func parameters(using source: inout RandomSource, count: Int) -> SamplingParameters {
    func maybe<T>(_ off: T, _ on: (inout RandomSource) -> T) -> T {
      Bool.random(using: &source) ? off : on(&source)
    }
    var parameters = SamplingParameters(
      temperature: [0.05, 0.7, 1, 1.5, 30].randomElement(using: &source) ?? 1)
    parameters.topK = maybe(0) { [1, 2, 40, 600, 5_000].randomElement(using: &$0) ?? 1 }
    parameters.topP = maybe(1) {
      [0, 0.1, 0.5, 0.9, 0.99, 0.999_999].randomElement(using: &$0) ?? 1
    }
    parameters.minP = maybe(0) { [1e-6, 0.05, 0.5, 1].randomElement(using: &$0) ?? 1 }
    parameters.repetitionPenalty = maybe(1) { Float.random(in: 0.5...2, using: &$0) }
    parameters.presencePenalty = maybe(0) { Float.random(in: -2...2, using: &$0) }
    parameters.frequencyPenalty = maybe(0) { Float.random(in: -1...1, using: &$0) }
    parameters.logitBias = maybe([:]) {
      [Int32.random(in: 0..<Int32(count), using: &$0): Float.random(in: -9...9, using: &$0)]
    }
    return parameters
  }

  @Test(arguments: 0..<4) func survivorsAndChoicesAreThoseOfAFullSort(_ kind: Int) throws {
    var source = RandomSource(seed: UInt64(kind) + 11)
    var scratch = SamplingScratch()
    for _ in 0..<100 {
      let logits = row(kind, using: &source)
      let parameters = parameters(using: &source, count: logits.count)
      let ids = (0..<40).map { _ in Int32.random(in: 0..<Int32(logits.count), using: &source) }
      let (prompt, output) = (Array(ids[..<25]), Array(ids[25...]))
      var history = TokenHistory(prompt: prompt)
      for token in output { history.append(token) }
      let reference = ReferenceSampler(parameters: parameters)
      let survivors = reference.survivors(logits, history: (prompt, output))
      let total = survivors.reduce(0) { $0 + $1.weight }
      let sampler = Sampler(parameters, seed: 5)
      try logits.withUnsafeBufferPointer { row in
        let distribution = try sampler.distribution(row, history: history)
        let support = distribution.indices.filter { distribution[$0] * total > 1e-36 }
        #expect(support == survivors.map { Int($0.id) }, "\(parameters)")
        for survivor in survivors {
          let expected = survivor.weight / total
          #expect(abs(distribution[Int(survivor.id)] - expected) <= 1e-6 * expected + 1e-36)
        }
        for position in 0..<8 {
          let token = try sampler.sample(
            row, history: history, position: position, scratch: &scratch)
          #expect(token == reference.choose(survivors, seed: 5, position: position))
        }
      }
    }
  }

  @Test func logprobsAreThoseOfAFullSort() throws {
    var source = RandomSource(seed: 23)
    for round in 0..<60 {
      let logits = row(round % 4, using: &source)
      let expected = Softmax.log(logits.map { Double($0 - (logits.max() ?? 0)) })
      let ranked = logits.indices.sorted {
        logits[$0] != logits[$1] ? logits[$0] > logits[$1] : $0 < $1
      }
      let described = try logits.withUnsafeBufferPointer {
        try TokenLogprobs($0).describe(0, alternatives: 20)
      }
      #expect(described.top.map { Int($0.id) } == Array(ranked.prefix(20)))
      for alternative in described.top where alternative.logprob > -.infinity {
        let exact = expected[Int(alternative.id)]
        #expect(abs(Double(alternative.logprob) - exact) < 1e-5 + 1e-6 * abs(exact))
      }
    }
  }
}
