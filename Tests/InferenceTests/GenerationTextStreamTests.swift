// The whole way from prompt to text events.

import Inference
import Testing

@Suite(.timeLimit(.minutes(2))) struct GenerationTextStreamTests {
  /// Token n is the letter n of the alphabet, and a space for the rest.
  private let decoder = FakeDecoder(
    (0..<50).map { $0 < 26 ? String(UnicodeScalar(UInt8(97 + $0))) : " " })

  private struct Outcome {
    var text = ""
    var ids: [Int32] = []
    var reason: FinishReason?
    var stop: String?
    var usage: GenerationUsage?
    var promptLogprobCount = 0
  }

  private func collect(_ stream: GenerationTextStream) async throws -> Outcome {
    var outcome = Outcome()
    for try await event in stream {
      #expect(outcome.reason == nil)
      switch event {
      case .promptLogprobs(let tokens): outcome.promptLogprobCount = tokens.count
      case .delta(let delta):
        outcome.text += delta.text
        outcome.ids += delta.tokens.map(\.token.id)
      case .finished(let reason, let stop, let usage):
        (outcome.reason, outcome.stop, outcome.usage) = (reason, stop, usage)
      }
    }
    return outcome
  }

  private func request(_ maximumTokens: Int) -> GenerationRequest {
    GenerationRequest(
      prompt: [3, 1, 4], sampling: SamplingParameters(temperature: 0),
      maximumTokens: maximumTokens, logprobs: 0, echoPromptLogprobs: true)
  }

  @Test func textIsThatOfTheTokens() async throws {
    let model = FakeModel()
    let engine = try InferenceEngine(model: model)
    let outcome = try await collect(engine.submit(request(30), decoder: decoder, stops: []))
    let expected = model.greedy([3, 1, 4], count: 30)
    #expect(outcome.ids == expected)
    #expect(
      outcome.text
        == expected.map { String(decoding: decoder.pieces[Int($0)], as: UTF8.self) }
        .joined())
    #expect(outcome.reason == .length && outcome.stop == nil)
    #expect(outcome.usage?.completionTokens == 30)
    #expect(outcome.promptLogprobCount == 3)
    await engine.shutdown()
  }

  @Test func aStopStringEndsTheSequenceInTheEngineToo() async throws {
    let model = FakeModel(contextLength: 1_000_000)
    let engine = try InferenceEngine(
      model: model, configuration: EngineConfiguration(kvMemoryByteCount: 1 << 30))
    let whole = try await collect(engine.submit(request(40), decoder: decoder, stops: []))
    let start = whole.text.index(whole.text.startIndex, offsetBy: 6)
    let stop = String(whole.text[start...].prefix(3))
    let cut = try #require(
      whole.text.indices.first { whole.text[$0...].hasPrefix(stop) })
    // Far more than can be generated before the consumer has found the stop string.
    let stream = try engine.submit(request(900_000), decoder: decoder, stops: [stop])
    let outcome = try await collect(stream)
    #expect(outcome.text == String(whole.text[..<cut]))
    #expect(outcome.ids == Array(whole.ids.prefix(outcome.text.count)))
    #expect(outcome.reason == .stop && outcome.stop == stop)
    #expect(outcome.usage?.completionTokens == outcome.text.count + 3)
    // The stream is still held here, and yet the sequence is gone.
    await engine.drain()
    try await eventually { engine.statistics.usedBlocks == 0 }
    #expect(engine.statistics.generatedTokens < 40 + 900_000)
    withExtendedLifetime(stream) {}
  }
}
