// The sequences of the engine and what has been computed of them. A plain value without clocks,
// threads or models, driven by `schedule` (see Scheduler+Planning) and `complete`.
//
// Relies on `blockCount * blockSize` tokens being enough for the longest sequence: the oldest
// running sequence can then always go on, and so every sequence ends.

package import Transformer

/// What one step computes.
package struct StepPlan: Sendable {
  package struct Entry: Sendable {
    package let id: SequenceState.ID
    /// That of the sequences which get their next token together with this one.
    package internal(set) var group: SequenceState.ID?
    package internal(set) var span: Batch.Span
    /// Whether the span reaches the sequence's last token, so that the next one can be sampled.
    package let reachesEnd: Bool
    /// Whether nothing but the sequence's last token was missing.
    package let isStream: Bool
    /// The last so many tokens of the span are guesses at what follows the sequence's last token.
    package internal(set) var draftCount = 0
  }

  /// A block of the KV cache that is copied before anything is computed.
  package struct Copy: Sendable, Equatable {
    package let source: Int32
    package let target: Int32
  }

  /// In this order.
  package var copies: [Copy] = []
  package var entries: [Entry] = []
  /// Sequences that lost their blocks in this step, newest first.
  package var preempted: [SequenceState.ID] = []

  package var batch: Batch { Batch(spans: entries.map(\.span)) }
}

/// The sequences of the engine, running and waiting.
package struct Scheduler: Sendable {
  package struct Limits: Sendable {
    package let maximumSequences: Int
    /// At least `maximumSequences`, so that each sequence gets one.
    package let tokensPerStep: Int
    /// Rows of logits per step: one per sequence, and more for prompts that want theirs.
    package let logitRowsPerStep: Int
    /// The model's: a sequence that grows beyond so many tokens is computed anew.
    package var recomputationLength: Int?

    /// Brings settings from outside into a range in which nothing overflows.
    package init(maximumSequences: Int, tokensPerStep: Int, promptLogitRowsPerStep: Int) {
      self.maximumSequences = min(max(1, maximumSequences), 1_024)
      self.tokensPerStep = max(tokensPerStep, self.maximumSequences)
      logitRowsPerStep = self.maximumSequences + min(max(1, promptLogitRowsPerStep), 1_024)
    }
  }

  package let limits: Limits
  package internal(set) var blocks: BlockManager
  /// In order of admission, oldest first. They hold blocks; those that wait hold none.
  package internal(set) var running: [SequenceState] = []
  /// In order of arrival; preempted sequences come back to the front.
  package internal(set) var waiting: [SequenceState] = []

  package init(limits: Limits, blockCount: Int, blockSize: Int) {
    self.limits = limits
    blocks = BlockManager(blockCount: blockCount, blockSize: blockSize)
  }

  package var isIdle: Bool { running.isEmpty && waiting.isEmpty }

  /// Puts a sequence at the end of the queue.
  package mutating func add(_ sequence: SequenceState) {
    waiting.append(sequence)
  }

  /// Drops a sequence wherever it is and frees its blocks. Unknown ids are ignored.
  package mutating func remove(_ id: SequenceState.ID) {
    if let index = running.firstIndex(where: { $0.id == id }) {
      blocks.release(&running[index].blocks)
      running.remove(at: index)
    } else if let index = waiting.firstIndex(where: { $0.id == id }) {
      waiting.remove(at: index)
    }
  }

  /// Records that the spans of `plan` were computed; which of the drafts in them come true is told
  /// by `append`, which has to follow. Sequences removed meanwhile are skipped.
  package mutating func complete(_ plan: StepPlan) {
    for entry in plan.entries {
      guard let index = running.firstIndex(where: { $0.id == entry.id }) else { continue }
      let end = entry.span.start + entry.span.tokens.count - entry.draftCount
      running[index].computedTokenCount = end
      shareFullBlocks(ofRunning: index)
      if running[index].wantsPromptLogits {
        running[index].nextPromptLogits = min(
          max(end, running[index].nextPromptLogits), running[index].promptCount)
      }
    }
  }

  /// Lets others find the blocks that have become full.
  mutating func shareFullBlocks(ofRunning index: Int) {
    let sequence = running[index]
    for position in sequence.sharedBlockCount..<sequence.computedTokenCount / blocks.blockSize {
      let start = position * blocks.blockSize
      blocks.share(
        sequence.tokens[start..<start + blocks.blockSize], at: position, of: &running[index].blocks,
        namespace: sequence.cacheNamespace)
      running[index].sharedBlockCount += 1
    }
  }
}
