// The engine's guesses at tokens to come: whose, how many, and where from. Drafts are made only while
// every running sequence waits for nothing but its next token. They can be wrong at will: the model
// itself decides each token, so that output never depends on anything here.

/// Where guesses at tokens to come are taken from.
package enum Speculation: String, Sendable, CaseIterable {
  /// None are made.
  case off
  /// From what followed when the sequence last said the same.
  case lookup
  /// From a smaller model of the same vocabulary.
  case draft
}

/// Makes drafts and learns whether they pay.
struct Speculator: ~Copyable {
  private var cost: DraftCost
  private var model: DraftModel?
  /// Whether the step under way takes as long as one of its kind does.
  private var isTypical = true

  /// Nothing where speculation is off, or has no source.
  init?(
    _ configuration: EngineConfiguration, _ source: DraftSource?, maximumSequences: Int,
    vocabularySize: Int
  ) {
    cost = DraftCost(fixedShare: configuration.draftCost)
    switch configuration.speculation {
    case .off: return nil
    case .lookup: model = nil
    case .draft:
      guard let source else { return nil }
      model = DraftModel(
        source, maximumSequences: maximumSequences, vocabularySize: vocabularySize)
    }
  }

  /// Tells the scheduler what to compute along in the next step.
  mutating func propose(
    for requests: inout [SequenceState.ID: ActiveRequest], to scheduler: inout Scheduler,
    scratch: inout SamplingScratch
  ) {
    isTypical = true
    let sequences = scheduler.running
    guard sequences.allSatisfy({ $0.pendingCount == 1 }),
      scheduler.waiting.isEmpty || sequences.count == scheduler.limits.maximumSequences
    else { return }
    // What a group's tokens are drawn from is no single sequence's to guess.
    let alone = sequences.filter { $0.group == nil }
    if model == nil {
      for sequence in alone {
        let drafts = requests[sequence.id]?.lookUpDrafts(
          after: sequence.tokens, cost: cost, sequenceCount: sequences.count)
        scheduler.propose(drafts ?? [], for: sequence.id)
      }
    } else {
      var orders: [DraftOrder] = []
      for sequence in alone {
        let order = requests[sequence.id]?.orderDrafts(
          after: sequence, cost: cost, sequenceCount: sequences.count)
        if let order { orders.append(order) }
      }
      isTypical = model?.fill(&orders, scratch: &scratch) ?? true
      for order in orders { scheduler.propose(order.drafts, for: order.id) }
    }
  }

  /// Learns from how long a step took, drafting included.
  mutating func learn(from plan: StepPlan, seconds: Double) {
    guard isTypical, plan.promptTokenCount == 0 else { return }
    cost.note(seconds: seconds, sequenceCount: plan.streamCount, draftCount: plan.draftCount)
  }

  /// Frees what is kept for a sequence that has ended or lost its place.
  mutating func forget(_ id: SequenceState.ID) {
    model?.forget(id)
  }
}
