// The engine's limits. The engine lowers `contextLength` to what the model and the KV memory hold,
// so that one sequence of full length always fits and preemption always makes progress.

/// How much the engine takes on.
package struct EngineConfiguration: Sendable {
  /// Sequences computed in one batch.
  package var maximumSequences: Int
  /// The longest sequence, prompt and output together; `nil` for the model's own limit.
  package var contextLength: Int?
  /// Memory for the KV cache; `nil` for `maximumSequences` full contexts.
  package var kvMemoryByteCount: Int?
  /// Requests that may wait beyond those in the batch.
  package var maximumQueued: Int
  /// The most tokens computed per step over all sequences; bounds how soon a newcomer joins in and
  /// a cancellation is noticed. Beside running streams, `PromptPace` allows fewer.
  package var tokensPerStep: Int
  /// Tokens that end a generation besides the model's own, from generation_config.json.
  package var endOfSequenceTokens: Set<Int32>
  /// Whether tokens to come are guessed, so that several can be decided in one step. What is
  /// generated doesn't depend on it.
  package var speculation: Speculation
  /// The share of a step's time that a guess is taken to add; `nil` to learn it from the clock.
  package var draftCost: Double?
  /// The engine thread's niceness: below the event loop, so that probes stay prompt.
  package var niceness: Int32

  package init(
    maximumSequences: Int = 8, contextLength: Int? = nil, kvMemoryByteCount: Int? = nil,
    maximumQueued: Int = 256, tokensPerStep: Int = 256, endOfSequenceTokens: Set<Int32> = [],
    speculation: Speculation = .lookup, draftCost: Double? = nil, niceness: Int32 = 19
  ) {
    self.maximumSequences = maximumSequences
    self.contextLength = contextLength
    self.kvMemoryByteCount = kvMemoryByteCount
    self.maximumQueued = maximumQueued
    self.tokensPerStep = tokensPerStep
    self.endOfSequenceTokens = endOfSequenceTokens
    self.speculation = speculation
    self.draftCost = draftCost
    self.niceness = niceness
  }
}
