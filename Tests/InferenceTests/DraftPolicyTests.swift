// When drafts are made and when not, with durations that are given.

import Testing

@testable import Inference

@Suite struct DraftPolicyTests {
  private func count(_ acceptance: DraftAcceptance, cost: Double, sequences: Int = 1) -> Int {
    acceptance.worthwhileCount(cost: cost, sequenceCount: sequences)
  }

  private func acceptance(right: Int, wrong: Int) -> DraftAcceptance {
    var acceptance = DraftAcceptance()
    for _ in 0..<right { acceptance.note(right: 1, of: 1) }
    for _ in 0..<wrong { acceptance.note(right: 0, of: 1) }
    return acceptance
  }

  @Test func draftsThatComeTrueMakeMoreAndOthersNone() {
    #expect(count(acceptance(right: 40, wrong: 0), cost: 0.1) == DraftCost.maximumCount)
    #expect(count(acceptance(right: 0, wrong: 20), cost: 0.1) == 0)
    #expect((1...4).contains(count(DraftAcceptance(), cost: 0.1)))
  }

  @Test func theyComeBackWhenTheyWouldPayAgain() {
    var acceptance = acceptance(right: 0, wrong: 50)
    #expect(count(acceptance, cost: 0.1) == 0)
    for _ in 0..<20 { acceptance.note(right: 1, of: 1) }
    #expect(count(acceptance, cost: 0.1) > 4)
  }

  @Test func moreSequencesLeaveLessForDrafts() {
    let acceptance = acceptance(right: 20, wrong: 2)
    let counts = [1, 2, 4, 8].map { count(acceptance, cost: 0.1, sequences: $0) }
    #expect(counts == counts.sorted(by: >))
    #expect(counts[0] > counts[3])
    #expect(count(acceptance, cost: 0.1, sequences: 64) == 0)
  }

  @Test func costIsLearnedFromDurations() {
    var cost = DraftCost()
    for step in 0..<400 {
      let drafts = step % 4 * 2
      cost.note(seconds: 0.02 * (1 + 0.3 * Double(drafts)), sequenceCount: 1, draftCount: drafts)
    }
    #expect(abs(cost.share - 0.3) < 0.01)
    // Twice as many sequences: other durations, the same share.
    for step in 0..<400 {
      let drafts = step % 4 * 2
      cost.note(seconds: 0.05 * (1 + 0.3 * Double(drafts)), sequenceCount: 2, draftCount: drafts)
    }
    #expect(abs(cost.share - 0.3) < 0.01)
  }

  @Test func absurdDurationsDoNoHarm() {
    var cost = DraftCost()
    for seconds in [0, 1e-9, 0, 1e9, 0] {
      cost.note(seconds: seconds, sequenceCount: 1, draftCount: 3)
      cost.note(seconds: seconds, sequenceCount: 1, draftCount: 0)
    }
    #expect((0.01...2).contains(cost.share))
    #expect(DraftCost(fixedShare: 0.5).share == 0.5)
  }
}
