// What the engine tells a request's consumer, in order: prompt log probabilities where asked for,
// tokens, and exactly one `finished`. Failures are thrown by the stream instead.

/// An event in the life of a generation.
package enum GenerationEvent: Sendable {
  /// One entry per prompt token, before any `token`; the first has no log probability.
  case promptLogprobs([GeneratedToken])
  /// A token, with the request's usage up to it. Tokens that stop the generation are not delivered.
  case token(GeneratedToken, GenerationUsage)
  case finished(FinishReason, GenerationUsage)
}

/// Why a generation ended.
package enum FinishReason: String, Sendable {
  /// A stop token, the end of the sequence, or a stop string.
  case stop
  /// The requested number of tokens, or the end of the context.
  case length
  /// Nobody listens any more.
  case cancelled
}

/// A token with its place in the model's raw distribution.
package struct GeneratedToken: Sendable, Equatable {
  /// An alternative at the same position.
  package struct Alternative: Sendable, Equatable {
    package var id: Int32
    package var logprob: Float

    package init(id: Int32, logprob: Float) {
      self.id = id
      self.logprob = logprob
    }
  }

  package var id: Int32
  /// The natural logarithm of its raw probability; `nil` when not asked for.
  package var logprob: Float?
  /// The most likely tokens, likeliest first, equals by lower id.
  package var top: [Alternative]

  package init(id: Int32, logprob: Float? = nil, top: [Alternative] = []) {
    self.id = id
    self.logprob = logprob
    self.top = top
  }
}

/// Token counts and durations of one request, measured at the engine's steps.
package struct GenerationUsage: Sendable, Equatable {
  package var promptTokens: Int
  /// Generated tokens; a token that stopped the generation counts.
  package var completionTokens: Int
  /// Prompt tokens that did not have to be computed, since the KV cache held them.
  package var cachedTokens: Int
  /// Guesses at tokens of the completion that were computed.
  package var draftedTokens = 0
  /// Those of the completion's tokens that didn't need a step of their own, since they followed a
  /// draft that came true.
  package var acceptedDraftTokens = 0
  /// How often the request lost its KV blocks to older ones and was computed again.
  package var preemptions: Int
  /// From submission to the first step that included the request.
  package var queueSeconds: Double
  /// From there to the first token.
  package var prefillSeconds: Double
  /// From the first token to the last.
  package var decodeSeconds: Double
  /// From submission to the first token; `nil` while there is none.
  package var timeToFirstTokenSeconds: Double?

  package init(
    promptTokens: Int, completionTokens: Int = 0, cachedTokens: Int = 0, preemptions: Int = 0,
    queueSeconds: Double = 0, prefillSeconds: Double = 0, decodeSeconds: Double = 0,
    timeToFirstTokenSeconds: Double? = nil
  ) {
    self.promptTokens = promptTokens
    self.completionTokens = completionTokens
    self.cachedTokens = cachedTokens
    self.preemptions = preemptions
    self.queueSeconds = queueSeconds
    self.prefillSeconds = prefillSeconds
    self.decodeSeconds = decodeSeconds
    self.timeToFirstTokenSeconds = timeToFirstTokenSeconds
  }
}
