// Calls of the chat model on the way to an answer: rewriting a question, notes on a passage. They go
// through the same engine as the answer, greedily, so that the same request takes the same way; what
// they cost is added to the answer's usage and told one by one.

import Inference
import JSON
import Synchronization
import Tokenizers

/// Tokens of calls that are no part of the answer.
struct CallUsage: Sendable, Equatable {
  var promptTokens = 0
  var completionTokens = 0
  var cachedTokens = 0

  static func + (left: CallUsage, right: CallUsage) -> CallUsage {
    CallUsage(
      promptTokens: left.promptTokens + right.promptTokens,
      completionTokens: left.completionTokens + right.completionTokens,
      cachedTokens: left.cachedTokens + right.cachedTokens)
  }
}

final class SideCalls: Sendable {
  enum Purpose: String, Sendable {
    case rewrite, queries, hyde, map, refine
  }

  let renderer: ChatRenderer
  private let metrics: ServerMetrics
  private let admitted: @Sendable () -> Void
  private let calls = Mutex<[(purpose: Purpose, usage: CallUsage)]>([])

  /// - Parameter admitted: told of each call that the engine has taken
  init(
    renderer: ChatRenderer, metrics: ServerMetrics, admitted: @escaping @Sendable () -> Void = {}
  ) {
    self.renderer = renderer
    self.metrics = metrics
    self.admitted = admitted
  }

  var usage: CallUsage { calls.withLock { $0.reduce(CallUsage()) { $0 + $1.usage } } }

  /// One object per call, in the order in which they ended.
  var json: JSONValue {
    .array(
      calls.withLock { $0 }.map {
        [
          "purpose": .string($0.purpose.rawValue),
          "prompt_tokens": .integer(Int64($0.usage.promptTokens)),
          "completion_tokens": .integer(Int64($0.usage.completionTokens)),
        ]
      })
  }

  /// The model's whole answer, without white space at its ends.
  func ask(
    _ purpose: Purpose, _ messages: [JSONValue], maximumTokens: Int
  ) async throws -> String {
    try await ask(purpose, prompt: try renderer.tokens(messages), maximumTokens: maximumTokens)
  }

  func ask(_ purpose: Purpose, prompt: [Int32], maximumTokens: Int) async throws -> String {
    let model = renderer.model
    let generation = try Generation.start(
      GenerationRequest(
        prompt: prompt, sampling: SamplingParameters(temperature: 0),
        maximumTokens: maximumTokens),
      choices: 1, stops: [], on: model, idPrefix: "", metrics: metrics)
    admitted()
    var text = ""
    for stream in generation.choices {
      for try await event in stream {
        switch event {
        case .promptLogprobs: break
        case .delta(let delta): text += delta.text
        case .finished(let reason, _, let usage):
          generation.observe(reason, usage)
          note(purpose, usage)
        }
      }
    }
    try Task.checkCancellation()
    return text.trimmed
  }

  private func note(_ purpose: Purpose, _ usage: GenerationUsage) {
    metrics.retrievalCalls.increment(purpose.rawValue)
    let tokens = CallUsage(
      promptTokens: usage.promptTokens, completionTokens: usage.completionTokens,
      cachedTokens: usage.cachedTokens)
    calls.withLock { $0.append((purpose, tokens)) }
  }
}

extension StringProtocol {
  /// Without white space at the ends.
  var trimmed: String {
    guard let first = firstIndex(where: { !$0.isWhitespace }),
      let last = lastIndex(where: { !$0.isWhitespace })
    else { return "" }
    return String(self[first...last])
  }
}
