// The engine over a fake model: what comes out, when it ends, and that it does not depend on what
// else is going on.

import Inference
import Testing

@Suite struct EngineTests {
  private let greedy = SamplingParameters(temperature: 0)

  @Test func greedyTokensAreTheModelsOwn() async throws {
    let model = FakeModel()
    let engine = try InferenceEngine(model: model)
    let result = try await engine.run(
      GenerationRequest(prompt: [1, 2, 3], sampling: greedy, maximumTokens: 20))
    #expect(result.ids == model.greedy([1, 2, 3], count: 20))
    #expect(result.reason == .length)
    #expect(result.usage?.promptTokens == 3)
    #expect(result.usage?.completionTokens == 20)
    await engine.shutdown()
  }
}
