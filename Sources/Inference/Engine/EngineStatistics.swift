// A snapshot of the engine for metrics and the watchdog. Counters only grow.

/// What the engine is doing and has done.
package struct EngineStatistics: Sendable {
  /// Sequences in the batch.
  package var running = 0
  /// Requests that wait for a place or for memory.
  package var waiting = 0
  /// Blocks that sequences hold.
  package var usedBlocks = 0
  /// Blocks whose contents new sequences can take over, whether in use or kept.
  package var cachedBlocks = 0
  package var totalBlocks = 0
  package var preemptions = 0
  package var steps = 0
  /// Prompt tokens computed; those computed again after a preemption don't count.
  package var promptTokens = 0
  /// Prompt tokens found in the cache instead.
  package var cachedPromptTokens = 0
  package var generatedTokens = 0
  /// Guesses at tokens to come that were computed, and those that came true.
  package var draftedTokens = 0
  package var acceptedDraftTokens = 0
  /// How long the engine has had work without completing a step; `nil` while it has none.
  package var secondsSinceProgress: Double?

  package init() {}
}
