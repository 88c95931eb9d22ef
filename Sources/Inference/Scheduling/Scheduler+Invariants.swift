// What must hold between any two calls of the scheduler. Costs a pass over everything, so tests
// call it after each step and the engine does not.

extension Scheduler {
  /// What is wrong with the scheduler's state; empty when all is well.
  package var brokenInvariants: [String] {
    let all = running + waiting
    var broken = blocks.brokenInvariants(tables: all.map(\.blocks))
    if Set(all.map(\.id)).count != all.count { broken.append("a sequence is listed twice") }
    if running.count > limits.maximumSequences {
      broken.append("\(running.count) sequences run, more than \(limits.maximumSequences)")
    }
    for sequence in all where sequence.computedTokenCount > sequence.tokens.count {
      broken.append("sequence \(sequence.id) has computed more tokens than it has")
    }
    for sequence in running
    where sequence.blocks.count < blocks.blocksNeeded(for: sequence.computedTokenCount) {
      broken.append("sequence \(sequence.id) has lost blocks of computed tokens")
    }
    for sequence in running {
      let count = sequence.tokens.count + sequence.drafts.count
      guard sequence.blocks.count > blocks.blocksNeeded(for: count) else { continue }
      broken.append("sequence \(sequence.id) holds blocks beyond its tokens and drafts")
    }
    for sequence in running
    where sequence.sharedBlockCount != sequence.computedTokenCount / blocks.blockSize {
      broken.append("sequence \(sequence.id) keeps full blocks to itself")
    }
    for sequence in waiting where sequence.computedTokenCount > 0 || !sequence.blocks.isEmpty {
      broken.append("sequence \(sequence.id) waits, but holds part of the cache")
    }
    return broken
  }
}
