// What a sequence need not compute, because others have computed it or are about to: full blocks
// that the cache knows are shared, and one that another sequence has only begun to fill, or that goes on
// otherwise, is copied. This is how the choices of one request compute their prompt once, and how a
// prompt that comes again computes its last token only. Looked at before each step, so that sequences
// that run side by side share as well as those that follow each other.

extension Scheduler {
  /// Has the sequence go on behind the longest prefix that the cache holds.
  mutating func reuseCache(for sequence: inout SequenceState) {
    while let range = nextBlockRange(of: sequence), range.count == blocks.blockSize,
      blocks.reuse(
        sequence.tokens[range], behind: &sequence.blocks, namespace: sequence.cacheNamespace)
    {
      sequence.computedTokenCount = range.upperBound
      sequence.sharedBlockCount += 1
    }
  }

  /// Has a running sequence catch up with what others have computed since the last step.
  mutating func catchUp(_ index: Int) -> StepPlan.Copy? {
    guard running[index].pendingCount > 1 else { return nil }
    var sequence = running[index]
    reuseCache(for: &sequence)
    let copy = copyBegunBlock(to: &sequence) ?? copyKnownBlock(to: &sequence, at: index)
    running[index] = sequence
    return copy
  }

  /// Takes over the beginning of a block from a sequence that needs the rest for tokens of its own.
  private mutating func copyBegunBlock(to sequence: inout SequenceState) -> StepPlan.Copy? {
    guard let range = nextBlockRange(of: sequence), range.count < blocks.blockSize,
      let source = running.first(where: {
        $0.computedTokenCount >= range.upperBound && $0.hasSameTokens(as: sequence, in: range)
      }), blocks.extend(&sequence.blocks, toHold: range.upperBound)
    else { return nil }
    let position = range.lowerBound / blocks.blockSize
    sequence.computedTokenCount = range.upperBound
    return StepPlan.Copy(source: source.blocks[position], target: sequence.blocks[position])
  }

  /// Takes over the beginning of a full block that goes on otherwise. Not where a sequence before this
  /// one computes the whole block: in the middle of a block nobody waits for others.
  private mutating func copyKnownBlock(
    to sequence: inout SequenceState, at index: Int
  ) -> StepPlan.Copy? {
    guard let range = nextBlockRange(of: sequence),
      !running[..<index].contains(where: { $0.hasSameTokens(as: sequence, in: range) }),
      let known = blocks.extend(
        &sequence.blocks, toCopyBeginningOf: sequence.tokens[range],
        namespace: sequence.cacheNamespace)
    else { return nil }
    sequence.computedTokenCount += known.count
    return StepPlan.Copy(
      source: known.source, target: sequence.blocks[range.lowerBound / blocks.blockSize])
  }

  /// Which of `others` is filling the block that the sequence needs next, and where it will be full
  /// enough: then waiting is quicker than computing the same.
  func filler(
    ofNextBlockOf index: Int, among others: [Int]
  ) -> (index: Int, end: Int)? {
    guard let range = nextBlockRange(of: running[index]),
      let other = others.first(where: {
        running[$0].hasSameTokens(as: running[index], in: range)
      })
    else { return nil }
    return (other, range.upperBound)
  }

  /// The tokens of the next block as far as they could come from another sequence; nil in the middle
  /// of a block, or when there are none.
  private func nextBlockRange(of sequence: SequenceState) -> Range<Int>? {
    guard sequence.blocks.count == sequence.sharedBlockCount else { return nil }
    let start = sequence.computedTokenCount
    let end = min(start + blocks.blockSize, sequence.reusableTokenCount)
    return start < end ? start..<end : nil
  }
}

extension SequenceState {
  /// Whether the tokens of `range`, and all before it, are those of `other`, all of whose blocks
  /// before the range are shared.
  fileprivate func hasSameTokens(as other: SequenceState, in range: Range<Int>) -> Bool {
    let count = other.blocks.count
    guard id != other.id, cacheNamespace == other.cacheNamespace, tokens.count >= range.upperBound,
      blocks.count >= count, count == 0 || blocks[count - 1] == other.blocks[count - 1]
    else { return false }
    return tokens[range] == other.tokens[range]
  }
}
