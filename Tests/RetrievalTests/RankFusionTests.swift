// Several queries as one ranking, and a hypothetical answer as part of a query.

import Testing

@testable import Retrieval

@Suite struct RankFusionTests {
  private func chunk(_ id: String, dense: Double? = nil, sparse: Double? = nil) -> RetrievedChunk {
    RetrievedChunk(
      id: id, documentID: id, text: id, score: 1,
      scores: ChunkScores(dense: dense, sparse: sparse), start: 0, end: 1, metadata: [:])
  }

  @Test func ranksOfAllListsAreAdded() {
    let fused = RankFusion.fuse(
      [
        [chunk("a", dense: 0.9), chunk("b", dense: 0.5, sparse: 1)],
        [chunk("b", dense: 0.7), chunk("c", dense: 0.6)],
      ], count: 10)
    #expect(fused.map(\.id) == ["b", "a", "c"])
    #expect(fused[0].score == 1 / 62.0 + 1 / 61.0)
    #expect(fused[1].score == 1 / 61.0 && fused[2].score == 1 / 62.0)
    #expect(fused[0].scores.dense == 0.7 && fused[0].scores.sparse == 1)
    #expect(fused.allSatisfy { $0.scores.fused == $0.score })
  }

  @Test func explanationsTellWhatEachQueryAdds() throws {
    func explained(_ id: String, _ part: String) -> RetrievedChunk {
      var chunk = chunk(id)
      chunk.explanation = .string(part)
      return chunk
    }
    let fused = RankFusion.fuse(
      [[explained("a", "a0"), explained("b", "b0")], [explained("b", "b1")]], count: 2)
    let parts = try #require(fused[0].explanation?["queries"]?.array)
    #expect(fused[0].id == "b" && parts.map { $0["explain"] } == ["b0", "b1"])
    #expect(parts.map { $0["query"]?.int } == [0, 1] && parts.map { $0["rank"]?.int } == [2, 1])
    #expect(parts.compactMap { $0["contribution"]?.double }.reduce(0, +) == fused[0].score)
    #expect(RankFusion.fuse([[chunk("a")]], count: 1)[0].explanation == nil)
  }

  @Test func equalsKeepTheOrderInWhichTheyAreMet() {
    let fused = RankFusion.fuse([[chunk("x")], [chunk("a")], [chunk("m")]], count: 2)
    #expect(fused.map(\.id) == ["x", "a"])
    #expect(RankFusion.fuse([], count: 3).isEmpty && RankFusion.fuse([[]], count: 3).isEmpty)
  }

  @Test func aHypotheticalAnswerMovesTheVectorAndNotTheWords() async throws {
    let test = try await TestStore()
    try await test.put(["a": "red apples fall", "b": "blue whales swim", "c": "green tea"])
    let (question, answer) = ("what swims", "blue whales")
    let moved = try await test.search(question, mode: .dense) { $0.hypothetical = answer }
    let mean = zip(test.embedder.vector(question), test.embedder.vector(answer)).map {
      ($0 + $1) / 2
    }
    let expected = try await test.store.retrieve(RetrievalRequest(.vector(mean))).results[0]
    #expect(moved.map(\.id) == expected.map(\.id))
    #expect(moved.first?.documentID == "b")
    #expect(moved.map(\.scores.dense) == expected.map(\.scores.dense))
    let words = try await test.search("apples", mode: .sparse) { $0.hypothetical = answer }
    #expect(words.map(\.documentID) == ["a"])
  }
}
