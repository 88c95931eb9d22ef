// Drafts: guesses at a sequence's next tokens, computed along with its last one so that several can
// be decided in one step. They take what budget and blocks others leave in a step, and what turns
// out wrong leaves no trace: the next tokens overwrite its keys and values.

import Transformer

extension Scheduler {
  /// Has the next step compute guesses behind a sequence's last token, if it reaches that.
  package mutating func propose(_ drafts: [Int32], for id: SequenceState.ID) {
    guard let index = running.firstIndex(where: { $0.id == id }) else { return }
    running[index].drafts = drafts
  }

  /// Appends sampled tokens to a running sequence: as many drafts as came true, whose keys and
  /// values are there by now, and one more.
  package mutating func append(_ tokens: [Int32], to id: SequenceState.ID) {
    guard !tokens.isEmpty, let index = running.firstIndex(where: { $0.id == id }) else { return }
    precondition(running[index].drafts.starts(with: tokens.dropLast()), "not what was drafted")
    running[index].append(tokens)
    running[index].computedTokenCount += tokens.count - 1
    running[index].drafts = []
    shareFullBlocks(ofRunning: index)
    blocks.shrink(&running[index].blocks, toHold: running[index].tokens.count)
  }

  /// Lengthens the spans of a plan that holds everything else. Afterwards, sequences have those of
  /// their drafts that are computed.
  mutating func planDrafts(_ plan: inout StepPlan) {
    var tokensLeft = limits.tokensPerStep - plan.batch.tokenCount
    var rowsLeft = limits.logitRowsPerStep - plan.batch.logitCount
    for index in running.indices where !running[index].drafts.isEmpty {
      let drafts = running[index].drafts
      running[index].drafts = []
      guard let place = plan.entries.firstIndex(where: { $0.id == running[index].id }),
        plan.entries[place].reachesEnd
      else { continue }
      let known = running[index].tokens.count
      var count = min(drafts.count, tokensLeft, rowsLeft)
      if let length = limits.recomputationLength, !running[index].isBeyondLimit {
        count = min(count, length - known)  // what is behind it asks for other keys
      }
      if !blocks.extend(&running[index].blocks, toHold: known + count) {
        count = min(count, running[index].blocks.count * blocks.blockSize - known)
      }
      running[index].drafts = Array(drafts.prefix(count))
      plan.entries[place].add(running[index].drafts, blocks: running[index].blocks)
      tokensLeft -= count
      rowsLeft -= count
    }
  }
}

extension StepPlan {
  /// Guesses among the tokens of the step.
  var draftCount: Int { entries.reduce(0) { $0 + $1.draftCount } }
}

extension StepPlan.Entry {
  fileprivate mutating func add(_ drafts: [Int32], blocks: [Int32]) {
    draftCount = drafts.count
    span.tokens += drafts
    span.blocks = blocks
    span.logitCount += drafts.count
  }

  /// The tokens of the span that are guesses, and come last.
  var drafts: ArraySlice<Int32> { span.tokens.suffix(draftCount) }
}
