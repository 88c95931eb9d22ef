// Lookup drafts: what a sequence is thought to go on with.

import Testing

@testable import Inference

@Suite struct NGramIndexTests {
  private func continuation(_ tokens: [Int32], _ count: Int) -> [Int32] {
    var index = NGramIndex()
    return index.continuation(of: tokens, count: count)
  }

  @Test func whatFollowedLastTimeIsGuessed() {
    #expect(continuation([1, 2, 3, 4, 5, 6, 1, 2, 3], 2) == [4, 5])
    #expect(continuation([1, 2, 3, 4, 5, 6, 1, 2], 2) == [])
    #expect(continuation([], 2) == [])
    #expect(continuation([1, 2, 3, 4, 1, 2, 3], 0) == [])
    #expect(continuation([1, 2, 3, 4, 1, 2, 3], -1) == [])
  }

  @Test func theLongestMatchCountsAndOfEqualsTheLatest() {
    #expect(continuation([9, 1, 2, 3, 7, 8, 1, 2, 3, 6, 9, 1, 2, 3], 1) == [7])
    #expect(continuation([1, 2, 3, 7, 1, 2, 3, 6, 1, 2, 3], 1) == [6])
  }

  @Test func aRepetitionGoesOnRepeating() {
    #expect(continuation([1, 2, 3, 1, 2, 3], 7) == [1, 2, 3, 1, 2, 3, 1])
    #expect(continuation([5, 5, 5, 5], 3) == [5, 5, 5])
  }

  /// Grown token by token, past several sizes of the table, against a search without an index.
  @Test func findsWhatAFullSearchFinds() {
    var source = RandomSource(seed: 4)
    var index = NGramIndex()
    var tokens: [Int32] = []
    var found = 0
    for step in 0..<5_000 {
      tokens.append(Int32.random(in: 0..<24, using: &source))
      guard step.isMultiple(of: 7) || step < 300 else { continue }
      let guess = index.continuation(of: tokens, count: 1)
      let matches = (3..<max(3, tokens.count)).filter { end in
        end >= 3 && tokens[end - 3..<end].elementsEqual(tokens.suffix(3))
      }
      #expect(guess.isEmpty == matches.isEmpty)
      guard let guess = guess.first, matches.count <= 4 else { continue }
      found += 1
      let longest = matches.max {
        commonSuffix(tokens, $0) <= commonSuffix(tokens, $1) ? $0 < $1 : false
      }
      #expect(longest.map { tokens[$0] } == guess)
    }
    #expect(found > 100)
  }

  private func commonSuffix(_ tokens: [Int32], _ end: Int) -> Int {
    (1...end).first { tokens[end - $0] != tokens[tokens.count - $0] } ?? end + 1
  }
}
