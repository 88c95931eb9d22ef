// Runs a request to its end and keeps everything that came out.

import Inference

/// All events of one generation.
struct Generation {
  var promptLogprobs: [GeneratedToken]?
  var tokens: [GeneratedToken] = []
  var reason: FinishReason?
  var usage: GenerationUsage?

  var ids: [Int32] { tokens.map(\.id) }

  init(_ events: AsyncThrowingStream<GenerationEvent, any Error>) async throws {
    for try await event in events {
      switch event {
      case .promptLogprobs(let tokens): promptLogprobs = tokens
      case .token(let token, _): tokens.append(token)
      case .finished(let reason, let usage): (self.reason, self.usage) = (reason, usage)
      }
    }
  }
}

extension InferenceEngine {
  func run(_ request: GenerationRequest) async throws -> Generation {
    try await Generation(submit(request))
  }
}
