// Groups: sequences whose next token is decided from the logits of all of them, so that the last token
// of each has to be computed in the same step. Until every member is that far, none goes further than
// the token before. A member that loses its blocks stops the others, in the very step that was planned.
//
// Relies on members being added one after the other and having room side by side: sequences run in
// order of arrival, so that the oldest group always gets all of its members in.

extension Scheduler {
  /// Groups of which a member waits, or has more to compute than its last token.
  var unreadyGroups: Set<SequenceState.ID> {
    var groups: Set<SequenceState.ID> = []
    for sequence in running where sequence.pendingCount > 1 {
      if let group = sequence.group { groups.insert(group) }
    }
    for sequence in waiting {
      if let group = sequence.group { groups.insert(group) }
    }
    return groups
  }

  /// Takes the last tokens of groups back out of a plan for which a member had to give up its blocks.
  mutating func holdBackIncompleteGroups(_ plan: inout StepPlan) {
    guard !plan.preempted.isEmpty else { return }
    let unready = unreadyGroups
    plan.entries.removeAll { entry in
      entry.reachesEnd && (entry.group.map(unready.contains) ?? false)
    }
  }
}

extension SequenceState {
  /// How many tokens it may compute while others of its group aren't ready, or by itself.
  var sharesCount: Int { group == nil ? pendingCount : pendingCount - 1 }
}
