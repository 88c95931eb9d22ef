// Log probabilities of the raw distribution.

import Glibc
import Testing

@testable import Inference

@Suite struct TokenLogprobsTests {
  @Test func logprobsAreTheLogarithmOfTheSoftmax() throws {
    var source = RandomSource(seed: 8)
    let logits = randomLogits(400, scale: 3, using: &source)
    let total = logits.reduce(0.0) { $0 + exp(Double($1)) }
    try logits.withUnsafeBufferPointer { row in
      let logprobs = try TokenLogprobs(row)
      for (token, logit) in logits.enumerated() {
        let expected = Double(logit) - log(total)
        #expect(abs(Double(logprobs.logprob(of: Int32(token))) - expected) < 1e-5)
      }
    }
  }

  @Test func alternativesAreTheLikeliestWithEqualsByLowerID() throws {
    let logits: [Float] = [1, 3, 2, 3, 0]
    try logits.withUnsafeBufferPointer { row in
      let token = try TokenLogprobs(row).describe(4, alternatives: 3)
      #expect(token.id == 4)
      #expect(token.top.map(\.id) == [1, 3, 2])
      #expect(token.top[0].logprob == token.top[1].logprob)
      #expect(try TokenLogprobs(row).describe(4, alternatives: 0).top.isEmpty)
      #expect(try TokenLogprobs(row).describe(4, alternatives: 20).top.count == 5)
    }
  }

  @Test func hugeLogitsDoNotOverflow() throws {
    let logits: [Float] = [3e38, 3e38, -3e38, -.infinity]
    try logits.withUnsafeBufferPointer { row in
      let logprobs = try TokenLogprobs(row)
      #expect(logprobs.logprob(of: 3) == -.infinity)
      #expect(logprobs.logprob(of: 2) < -3e38)
    }
  }
}
