// The sampler's distributions against those of transformers' processors and warpers, which
// scripts/fixtures/sampling.py wrote down.

import JSON
import Testing

@testable import Inference

@Suite struct SamplingGoldenTests {
  struct Case: Decodable, CustomTestStringConvertible, Sendable {
    struct Parameters: Decodable, Sendable {
      var temperature: Float
      var topP: Float
      var topK: Int
      var minP: Float
      var repetitionPenalty: Float
      var presencePenalty: Float
      var frequencyPenalty: Float
      var logitBias: [String: Float]

      enum CodingKeys: String, CodingKey {
        case temperature
        case topP = "top_p"
        case topK = "top_k"
        case minP = "min_p"
        case repetitionPenalty = "repetition_penalty"
        case presencePenalty = "presence_penalty"
        case frequencyPenalty = "frequency_penalty"
        case logitBias = "logit_bias"
      }

      var sampling: SamplingParameters {
        var bias: [Int32: Float] = [:]
        for (key, value) in logitBias { if let token = Int32(key) { bias[token] = value } }
        return SamplingParameters(
          temperature: temperature, topP: topP, topK: topK, minP: minP,
          repetitionPenalty: repetitionPenalty, presencePenalty: presencePenalty,
          frequencyPenalty: frequencyPenalty, logitBias: bias)
      }
    }

    var name: String
    var logits: [Float]
    var prompt: [Int32]
    var output: [Int32]
    var parameters: Parameters
    var probabilities: [String: Double]

    var testDescription: String { name }
  }

  static let cases: [Case] = {
    do {
      return try JSONReader().decode(
        [Case].self, from: Fixtures.bytes("sampling/distributions.json"))
    } catch {
      Issue.record(error)
      return []
    }
  }()

  @Test func fixtureIsComplete() {
    #expect(Self.cases.count == 31)
  }

  @Test(arguments: cases) func distributionIsThatOfTransformers(_ golden: Case) throws {
    let sampling = golden.parameters.sampling
    try sampling.validate(vocabularySize: golden.logits.count)
    var history = TokenHistory(prompt: golden.prompt)
    for token in golden.output { history.append(token) }
    let probabilities = try golden.logits.withUnsafeBufferPointer {
      try Sampler(sampling, seed: 0).distribution($0, history: history)
    }
    let support = probabilities.indices.filter { probabilities[$0] > 1e-30 }
    let expectedSupport = golden.probabilities.filter { $0.value > 1e-30 }.keys.compactMap(Int.init)
    #expect(support == expectedSupport.sorted())
    for token in support {
      let expected = try #require(golden.probabilities["\(token)"])
      #expect(abs(probabilities[token] - expected) <= 2e-6 * max(expected, 0.01))
    }
  }
}
