// The pace of prompts beside streams, on machines that are made up: what a step costs is a function
// of its tokens.

import Testing

@testable import Inference

@Suite struct PromptPaceTests {
  /// Runs steps with as many prompt tokens as the pace allows; answers each one's tokens and seconds.
  private func run(
    _ pace: inout PromptPace, steps: Int, streams: Int, cost: (Int) -> Double
  ) -> [(tokens: Int, seconds: Double)] {
    (0..<steps).map { _ in
      let tokens = pace.promptTokens(streamCount: streams)
      let seconds = cost(streams + tokens)
      pace.record(streamCount: streams, promptTokens: tokens, seconds: seconds)
      return (tokens, seconds)
    }
  }

  /// Reading weights takes 20 ms whatever the batch, computing a token 0.5, 4 or 15 ms.
  @Test(arguments: [0.0005, 0.004, 0.015], [1, 3, 8])
  func stepsTakeLessThanTwiceTheTime(_ tokenSeconds: Double, _ streams: Int) {
    let cost = { (tokens: Int) in 0.002 + max(0.020, tokenSeconds * Double(tokens)) }
    var pace = PromptPace()
    let steps = run(&pace, steps: 200, streams: streams, cost: cost)
    let limit = 2 * cost(streams)
    let settled = steps.dropFirst(12)
    #expect(settled.allSatisfy { $0.seconds <= limit })
    // And not much less: of the tokens that would fit, most are computed.
    let most = (1...2_000).last { cost(streams + $0) <= limit } ?? 1
    let mean = Double(settled.reduce(0) { $0 + $1.tokens }) / Double(settled.count)
    #expect(mean > 0.6 * Double(most))
  }

  @Test func withoutStreamsOnlyTheFirstStepIsShort() {
    let pace = PromptPace()
    #expect(pace.promptTokens(streamCount: 0, isRested: true) == 32)
    #expect(pace.promptTokens(streamCount: 0) == .max)
  }

  @Test func everyNumberOfStreamsIsMeasuredFirstAndNowAndThen() {
    var pace = PromptPace()
    let steps = run(&pace, steps: 100, streams: 2) { 0.001 * Double($0) }
    #expect(steps.indices.filter { steps[$0].tokens == 0 } == [0, 33, 66, 99])
    #expect(pace.promptTokens(streamCount: 3) == 0)
    #expect(pace.promptTokens(streamCount: 2) > 0)
  }

  /// Prompts are never shut out, however long steps take for other reasons.
  @Test func aSlowSpellPasses() {
    var pace = PromptPace()
    let cost = { (tokens: Int) in 0.010 + 0.001 * Double(tokens) }
    let before = run(&pace, steps: 40, streams: 2, cost: cost)
    let during = run(&pace, steps: 20, streams: 2) { 30 * cost($0) }
    #expect(during.allSatisfy { $0.tokens == 0 || $0.tokens >= 2 })
    let after = run(&pace, steps: 100, streams: 2, cost: cost)
    #expect(after.suffix(20).allSatisfy { $0.seconds <= 2 * cost(2) })
    #expect((after.last?.tokens ?? 0) >= (before.last?.tokens ?? 0) / 2)
  }
}
