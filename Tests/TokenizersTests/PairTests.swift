// Two texts as one sequence: the templates of both kinds of encoders, and how long pairs are cut. Ids of
// real pairs are held against transformers in InferenceTests.

import JSON
import Testing

@testable import Tokenizers

@Suite struct PairTests {
  private func processor(_ json: JSONValue) throws -> PostProcessor {
    try PostProcessor(ConfigurationNode(json, file: "file", path: ""), knows: { _ in true })
  }

  @Test func textsAreFramedAsTheModelWants() throws {
    let bert = try processor(["type": "BertProcessing", "sep": ["s", 3], "cls": ["c", 2]])
    let pair = bert.apply(to: [10, 11], and: [20], maximumTokens: 99)
    #expect(pair.ids == [2, 10, 11, 3, 20, 3])
    #expect(pair.types == [0, 0, 0, 0, 1, 1] && !pair.isTruncated)
    let roberta = try processor(["type": "RobertaProcessing", "sep": ["s", 3], "cls": ["c", 2]])
    let other = roberta.apply(to: [10, 11], and: [20], maximumTokens: 99)
    #expect(other.ids == [2, 10, 11, 3, 3, 20, 3] && other.types.allSatisfy { $0 == 0 })
    #expect(PostProcessor().apply(to: [1], and: [2], maximumTokens: 9).types == [0, 1])
  }

  /// As tokenizers' `longest_first`: the longer one is cut first, then both.
  @Test(arguments: [
    ((8, 2), 10, (8, 2)), ((9, 2), 10, (8, 2)), ((2, 9), 10, (2, 8)), ((9, 9), 10, (5, 5)),
    ((9, 9), 11, (5, 6)), ((20, 9), 11, (6, 5)), ((9, 20), 11, (5, 6)), ((5, 6), 10, (5, 5)),
    ((3, 3), 0, (0, 0)), ((0, 9), 4, (0, 4)),
  ])
  func longPairsAreCut(counts: (Int, Int), room: Int, expected: (Int, Int)) {
    let pair = PostProcessor().apply(
      to: Array(repeating: 1, count: counts.0), and: Array(repeating: 2, count: counts.1),
      maximumTokens: room)
    #expect(pair.ids.count { $0 == 1 } == expected.0 && pair.ids.count { $0 == 2 } == expected.1)
    #expect(pair.isTruncated == (counts != expected))
  }

  /// What "lowercasing" promises: added tokens are found first.
  @Test func addedTokensKeepTheirCase() throws {
    let plain = try Tokenizer(directory: Fixtures.path("bert-cased"))
    let lower = plain.lowercasing()
    #expect(
      lower.encode("HELLO World", addSpecialTokens: false)
        == plain.encode("hello world", addSpecialTokens: false))
    #expect(
      lower.encode("[SEP] A", addSpecialTokens: false)
        == plain.encode("[SEP] a", addSpecialTokens: false))
  }
}
