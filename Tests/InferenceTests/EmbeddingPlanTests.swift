// Grouping for the encoder, and the special tokens around a text.

import Testing

@testable import Inference

@Suite struct EmbeddingPlanTests {
  @Test func groupsAreBoundedSortedAndComplete() {
    var source = RandomSource(seed: 2)
    for _ in 0..<100 {
      let lengths = (0..<40).map { _ in Int.random(in: 1...300, using: &source) }
      let groups = EmbeddingPlan.groups(lengths: lengths, tokensPerGroup: 256)
      #expect(groups.flatMap { $0 }.sorted() == Array(lengths.indices))
      let inOrder = groups.flatMap { $0 }.map { lengths[$0] }
      #expect(inOrder == inOrder.sorted())
      for group in groups {
        #expect(group.count == 1 || group.reduce(0) { $0 + lengths[$1] } <= 256)
      }
    }
    #expect(EmbeddingPlan.groups(lengths: [], tokensPerGroup: 10) == [])
  }

  @Test func theFrameIsFoundByWhatEncodingAdds() {
    let bert = SpecialTokenFrame(bare: [7, 8], full: [101, 7, 8, 102])
    #expect(bert == SpecialTokenFrame(prefix: [101], suffix: [102]))
    let none = SpecialTokenFrame(bare: [7], full: [7])
    #expect(none == SpecialTokenFrame(prefix: [], suffix: []))
    let pair = SpecialTokenFrame(bare: [7], full: [1, 2, 7])
    #expect(pair == SpecialTokenFrame(prefix: [1, 2], suffix: []))
    let nothing = SpecialTokenFrame(bare: [], full: [1, 2])
    #expect(nothing.count == 2)
  }

  @Test func longTextsAreCutInsideTheFrame() {
    let frame = SpecialTokenFrame(prefix: [101], suffix: [102])
    let fits = frame.wrap([1, 2, 3], maximumTokens: 5)
    #expect(fits.ids == [101, 1, 2, 3, 102] && !fits.isTruncated)
    let cut = frame.wrap([1, 2, 3, 4], maximumTokens: 5)
    #expect(cut.ids == [101, 1, 2, 3, 102] && cut.isTruncated)
    #expect(frame.wrap([], maximumTokens: 5).ids == [101, 102])
    #expect(frame.wrap([1], maximumTokens: 1).isTruncated)
  }

  @Test func aFrameThatIsThereIsNotAddedAgain() {
    let frame = SpecialTokenFrame(prefix: [101], suffix: [102])
    #expect(frame.unwrap([101, 5, 102]) == [5])
    #expect(frame.unwrap([5, 6]) == [5, 6])
    #expect(frame.unwrap([101, 5]) == [101, 5])
    #expect(frame.unwrap([101, 102]) == [])
  }
}
