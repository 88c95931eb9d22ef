// One sequence as the scheduler sees it: tokens, and how many of them the KV cache holds. There are
// no phases: prefill, decode and recomputation after a preemption are all `computedTokenCount`
// chasing `tokens.count`.

package import Transformer

/// The scheduling state of a sequence.
package struct SequenceState: Sendable {
  package typealias ID = UInt64

  package let id: ID
  /// Prompt and output, an adapter's virtual tokens before them.
  package private(set) var tokens: [Int32]
  /// Virtual tokens included.
  package let promptCount: Int
  /// Tokens whose keys and values are in the cache.
  package internal(set) var computedTokenCount = 0
  /// The block table.
  package internal(set) var blocks: [Int32] = []
  /// The first so many blocks are full and others can find them.
  var sharedBlockCount = 0
  /// Guesses at the tokens that follow; during a step, those that it computes.
  var drafts: [Int32] = []
  /// Of the model and adapter that compute the sequence: caches of different ones never mix.
  package let namespace: UInt64
  private let adapter: Adapter?
  /// The first prompt position whose logits have yet to be delivered; `promptCount` when none are
  /// wanted. Outlives a preemption, so that nothing is delivered twice.
  package internal(set) var nextPromptLogits: Int

  package init(
    id: ID, prompt: [Int32], wantsPromptLogits: Bool = false, namespace: UInt64 = 0,
    adapter: Adapter? = nil
  ) {
    let virtualCount = adapter?.virtualTokenCount ?? 0
    self.id = id
    self.namespace = namespace
    self.adapter = adapter
    tokens = Array(repeating: Adapter.virtualToken, count: virtualCount) + prompt
    promptCount = tokens.count
    nextPromptLogits = wantsPromptLogits ? virtualCount : tokens.count
  }

  package var pendingCount: Int { tokens.count - computedTokenCount }
  package var wantsPromptLogits: Bool { nextPromptLogits < promptCount }

  /// How many tokens need not be computed where the cache has them: logits are wanted of the rest.
  var reusableTokenCount: Int { wantsPromptLogits ? nextPromptLogits : tokens.count - 1 }

  mutating func append(_ sampled: [Int32]) {
    tokens += sampled
  }

  /// The next `count` uncomputed tokens, with logits for the last token of all and for those
  /// prompt positions that still want theirs.
  func span(count: Int) -> Batch.Span {
    let end = computedTokenCount + count
    let firstWanted =
      wantsPromptLogits ? max(nextPromptLogits, computedTokenCount) : tokens.count - 1
    return Batch.Span(
      tokens: Array(tokens[computedTokenCount..<end]), start: computedTokenCount, blocks: blocks,
      logitCount: max(0, end - firstWanted), adapter: adapter)
  }
}
