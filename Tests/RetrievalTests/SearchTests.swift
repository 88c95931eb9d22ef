// Searches through the facade: what is found, how it is scored, and in which state.

import Compute
import Documents
import JSON
import Synchronization
import Testing

@testable import Retrieval

@Suite struct SearchTests {
  private func library() async throws -> TestStore {
    let test = try await TestStore()
    let texts = [
      "birds": "The martlet is a small bird. It never lands on its feet.",
      "cooking": "Boil the pasta in salted water. Serve it with basil.",
      "models": "大语言模型可以回答问题。检索增强让它引用文档。",
      "code": "func main() prints hello. Errors are E1234 and E99.",
    ]
    let documents = texts.sorted { $0.key < $1.key }.enumerated().map { number, text in
      DocumentInput(
        id: text.key, text: text.value,
        metadata: ["n": .integer(Int64(number)), "topic": .string(text.key)])
    }
    _ = try await test.store.putDocuments(documents, in: "default")
    return test
  }

  @Test(arguments: RetrievalMode.allCases)
  func everyModeFindsThePassage(mode: RetrievalMode) async throws {
    let test = try await library()
    #expect(try await test.search("small bird martlet", mode: mode).first?.documentID == "birds")
    #expect(try await test.search("模型", mode: mode).first?.documentID == "models")
    #expect(try await test.search("E1234", mode: mode).first?.documentID == "code")
  }

  @Test func scoresSayWhatTheyAre() async throws {
    let test = try await library()
    let dense = try await test.search("salted water", mode: .dense)
    #expect(dense.allSatisfy { $0.score == $0.scores.dense && $0.scores.sparse == nil })
    let query = test.embedder.vector("salted water")
    let text = test.embedder.vector(dense[0].text)
    let cosine = zip(query, text).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    #expect(abs(dense[0].score - cosine) < 1e-6)
    let hybrid = try await test.search("salted water", mode: .hybrid) { $0.fusion = .rrf }
    #expect(hybrid[0].documentID == "cooking")
    #expect(hybrid[0].scores.fused == hybrid[0].score && hybrid[0].score == 2 / 61.0)
    #expect(hybrid[0].scores.dense == dense[0].score)
    let sparse = try await test.search("salted water", mode: .sparse)
    #expect(hybrid[0].scores.sparse == sparse[0].score)
    #expect(hybrid.count == 4 && hybrid[3].scores.sparse == nil)
    for list in [dense, hybrid, sparse] {
      #expect(zip(list, list.dropFirst()).allSatisfy { $0.score >= $1.score })
    }
  }

  @Test(arguments: ["sentences", "characters", "recursive", "none"])
  func offsetsReproduceTheText(strategy: String) async throws {
    let test = try await TestStore()
    var update = CollectionSettingsUpdate()
    update.strategy = ChunkingStrategy(rawValue: strategy)
    update.size = 40
    update.overlap = 10
    if strategy == "characters" { update.separator = " " }
    _ = try await test.store.putCollection("c", update)
    let text = """
      \u{FEFF}👩‍👩‍👧 fly. Re\u{301}sume\u{301}s of e\u{301}migre\u{301}s fly; naïve café owners fly.\r\n\r\n
      大语言模型会飞。👍🏽 flies! Zero \u{0} flies. The end of what flies, and a long tail that goes on.
      """
    try await test.put(["d": text], in: "c")
    let stored = Array(try await test.store.document("d", in: "c").text.unicodeScalars)
    let found = try await test.search("fly 飞", mode: .hybrid, topK: 50) { $0.collection = "c" }
    #expect(found.count == (strategy == "none" ? 1 : test.store.statistics.chunks))
    #expect(strategy == "none" || found.count > 3)
    for chunk in found {
      #expect(stored[chunk.start..<chunk.end].elementsEqual(chunk.text.unicodeScalars))
      #expect(chunk.id.hasPrefix("d#"))
    }
    #expect(Set(found.map(\.id)).count == found.count)
  }

  @Test func filtersApplyDuringTheSearch() async throws {
    let test = try await TestStore()
    let documents = (0..<300).map { number in
      DocumentInput(
        id: "\(number)", text: "apple \(number % 7) pie", metadata: ["n": .integer(Int64(number))])
    }
    _ = try await test.store.putDocuments(documents, in: "default")
    for mode in RetrievalMode.allCases {
      let found = try await test.search("apple pie", mode: mode, topK: 3) {
        $0.filter = .and([.comparison(.gte, key: "n", value: 297)])
      }
      #expect(Set(found.map(\.documentID)) == ["297", "298", "299"], "the last of 300 equals")
      let none = try await test.search("apple pie", mode: mode) {
        $0.filter = .comparison(.eq, key: "missing", value: 1)
      }
      #expect(none.isEmpty)
    }
  }

  @Test func thresholds() async throws {
    let test = try await library()
    for mode in [RetrievalMode.dense, .hybrid] {
      let all = try await test.search("small bird", mode: mode)
      let middle = try #require(all.compactMap(\.scores.dense).sorted().dropFirst().first)
      let some = try await test.search("small bird", mode: mode) { $0.minimumScore = middle }
      #expect(some == all.filter { ($0.scores.dense ?? 0) >= middle })
      #expect(some.count == 3)
      #expect(try await test.search("small bird", mode: mode) { $0.minimumScore = 1.1 }.isEmpty)
    }
    let best = try await test.search("bird serve", mode: .sparse)
    let score = best[0].score
    #expect(
      try await test.search("bird serve", mode: .sparse) { $0.minimumScore = score }.allSatisfy {
        $0.score >= score
      })
    #expect(
      try await test.search("bird", mode: .sparse) { $0.minimumScore = score * 100 }.isEmpty)
  }

  @Test func severalQueriesAreAnsweredLikeSingleOnes() async throws {
    let test = try await library()
    for mode in RetrievalMode.allCases {
      var request = RetrievalRequest(.queries(["bird", "模型", "nothing of the kind"]))
      request.mode = mode
      let response = try await test.store.retrieve(request)
      #expect(response.isBatch && response.results.count == 3)
      for (number, query) in ["bird", "模型", "nothing of the kind"].enumerated() {
        #expect(response.results[number] == (try await test.search(query, mode: mode)))
      }
      #expect(response.json["results"]?[2]?.array != nil)
    }
  }

  @Test func vectorsAreSearchedForDirectly() async throws {
    let test = try await library()
    let vector = test.embedder.vector("basil pasta")
    let found = try await test.store.retrieve(RetrievalRequest(.vector(vector)))
    #expect(found.results[0].first?.documentID == "cooking")
    #expect(found.promptTokens == 0 && !found.isBatch)
    let short = await asyncRefusal {
      _ = try await test.store.retrieve(RetrievalRequest(.vector([1])))
    }
    let message = "\(try #require(short))"
    #expect(short?.field == "vector" && message.contains("128"))
    let bad = await asyncRefusal {
      _ = try await test.store.retrieve(RetrievalRequest(.vector([.nan])))
    }
    #expect(bad?.field == "vector")
  }

  @Test func fusionAndDiversityAndExplanation() async throws {
    let test = try await TestStore()
    try await test.put([
      "a": "red apple pie", "b": "red apple pie!", "c": "apple orchard trees", "d": "steel bridges",
    ])
    let plain = try await test.search("red apple pie", topK: 2)
    #expect(Set(plain.map(\.documentID)) == ["a", "b"])
    for mode in RetrievalMode.allCases {
      let diverse = try await test.search("red apple pie", mode: mode, topK: 2) {
        $0.mmr = MaximalMarginalRelevance(lambda: 0.3, fetchCount: 10)
      }
      #expect(diverse.count == 2 && diverse[0].documentID == "a")
      #expect(diverse[1].documentID != "b", "\(mode)")
    }
    let scaled = try await test.search("red apple pie", topK: 1) {
      $0.fusion = .minmax
      $0.explain = true
    }
    #expect(scaled[0].score > 0.99 && scaled[0].score <= 1)
    #expect(scaled[0].explanation?["sparse"]?["rank"] == 1)
    #expect(scaled[0].json["explain"] != nil)
  }

  @Test func theAnswerHasTheWireShape() async throws {
    let test = try await library()
    let response = try await test.store.retrieve(RetrievalRequest(.query("bird")))
    let json = response.json
    let result = try #require(json["results"]?[0])
    let keys = Array(try #require(result.object).keys)
    let expected = [
      "id", "document_id", "text", "score", "scores", "start", "end", "metadata",
    ]
    #expect(keys == expected)
    #expect(result["id"] == "birds#0" && result["metadata"]?["topic"] == "birds")
    #expect(json["usage"] == ["prompt_tokens": 3, "total_tokens": 3])
    #expect(try #require(json["timings"]?["total_ms"]?.double) > 0)
  }

  @Test func topKBoundsTheResults() async throws {
    let test = try await library()
    #expect(try await test.search("bird", topK: 1).count == 1)
    #expect(try await test.search("bird", topK: 1000).count == 4)
    var request = RetrievalRequest(.query("x"))
    request.topK = 1001
    #expect(await asyncRefusal { _ = try await test.store.retrieve(request) }?.field == "top_k")
    let empty = try await TestStore()
    for mode in RetrievalMode.allCases {
      #expect(try await empty.search("bird", mode: mode).isEmpty)
    }
  }
}

@Suite struct EmbeddingModelTests {
  @Test func anotherModelIsRefusedWithTheRemedy() async throws {
    let directory = try TemporaryDirectory()
    let first = try await openStore(in: directory, embedder: FakeEmbedder(name: "old"))
    _ = try await first.putCollection("empty")
    _ = try await first.putDocuments([DocumentInput(id: "a", text: "apple pie")], in: "default")
    try await first.close()
    let directoryCopy = try TemporaryDirectory()
    try directoryCopy.write(directory.read("martlet.sqlite"), to: "martlet.sqlite")

    let store = try await openStore(
      in: directoryCopy, embedder: FakeEmbedder(name: "new", dimension: 8))
    let refused = await asyncRefusal {
      _ = try await store.retrieve(RetrievalRequest(.query("apple")))
    }
    #expect(refused?.code == "embedding_model_mismatch")
    let message = "\(try #require(refused))"
    #expect(message.contains("--embedding-model old") && message.contains("8 dimensions"))
    #expect(
      await asyncRefusal {
        _ = try await store.putDocuments([DocumentInput(id: "b", text: "x")], in: "default")
      }?.code == "embedding_model_mismatch")
    #expect(
      await asyncRefusal {
        _ = try await store.retrieve(RetrievalRequest(.vector([1, 0, 0, 0, 0, 0, 0, 0])))
      }?
      .code == "embedding_model_mismatch")

    // All that needs no vectors still works.
    var sparse = RetrievalRequest(.query("apple"))
    sparse.mode = .sparse
    #expect(try await store.retrieve(sparse).results[0].count == 1)
    _ = try await store.patchDocument("a", metadata: ["x": 1], in: "default")
    #expect(try await store.document("a", in: "default").metadata == ["x": 1])
    // Empty collections take the new model.
    _ = try await store.putDocuments([DocumentInput(id: "b", text: "pear")], in: "empty")
    #expect(try await store.collection("empty").embedding?.name == "new")
    var dense = RetrievalRequest(.query("pear"))
    dense.collection = "empty"
    #expect(try await store.retrieve(dense).results[0].count == 1)
    // An emptied one too, searched before it is filled again: its old rows are still in memory.
    try await store.deleteDocument("a", in: "default")
    #expect(try await store.retrieve(RetrievalRequest(.query("apple"))).results[0].isEmpty)
    _ = try await store.putDocuments([DocumentInput(id: "b", text: "apple")], in: "default")
    #expect(try await store.retrieve(RetrievalRequest(.query("apple"))).results[0].count == 1)
  }

  @Test func withoutAModelWordsAreStillFound() async throws {
    let directory = try TemporaryDirectory()
    try await openStore(in: directory, embedder: nil).close()
    let filled = try await openStore(in: directory)
    _ = try await filled.putDocuments([DocumentInput(id: "a", text: "apple pie")], in: "default")
    try await filled.close()
    let copy = try TemporaryDirectory()
    try copy.write(directory.read("martlet.sqlite"), to: "martlet.sqlite")
    let store = try await openStore(in: copy, embedder: nil)
    #expect(
      await asyncRefusal { _ = try await store.retrieve(RetrievalRequest(.query("apple"))) }
        == .embeddingModelMissing)
    #expect(
      await asyncRefusal {
        _ = try await store.putDocuments([DocumentInput(id: "b", text: "x")], in: "default")
      } == .embeddingModelMissing)
    var sparse = RetrievalRequest(.query("apple"))
    sparse.mode = .sparse
    #expect(try await store.retrieve(sparse).results[0].map(\.documentID) == ["a"])
  }
}

@Suite struct VectorStorageTests {
  @Test func valuesOnDiskMakeNoDifference() async throws {
    let directory = try TemporaryDirectory()
    let texts = (0..<50).map { "text \($0 % 7) 模型 \($0)" }
    var found: [[RetrievedChunk]] = []
    for (number, onDisk) in [true, false, true].enumerated() {
      let store = try await openStore(in: directory, keepsVectorsOnDisk: onDisk)
      for text in texts.dropFirst(10 * number).prefix(number == 0 ? 40 : 10) {
        _ = try await store.putDocuments([DocumentInput(text: text)], in: "default")
      }
      var request = RetrievalRequest(.query("text 3 模型"))
      request.mode = .dense
      found.append(try await store.retrieve(request).results[0])
      try await store.close()
    }
    #expect(found[0] == found[1] && found[1] == found[2])
  }
}

@Suite struct ConsistencyTests {
  /// Every batch replaces all documents by those of one version: a search that sees two versions,
  /// or fewer documents than there always are, saw half a batch.
  @Test func searchesSeeWholeBatches() async throws {
    let test = try await TestStore()
    let replace: @Sendable (Int) async throws -> Void = { version in
      let texts = (0..<6).map { ("\($0)", "common passage version\(version)") }
      try await test.put(Dictionary(uniqueKeysWithValues: texts))
    }
    try await replace(0)
    let isDone = Flag()
    try await withThrowingTaskGroup(of: Int.self) { group in
      group.addTask {
        for version in 1...25 { try await replace(version) }
        isDone.raise()
        return 0
      }
      for mode in RetrievalMode.allCases {
        group.addTask {
          var searches = 0
          while !isDone.isRaised || searches < 5 {
            let found = try await test.search("common passage", mode: mode, topK: 10)
            #expect(found.count == 6)
            #expect(Set(found.map(\.text)).count == 1, "one version only")
            searches += 1
          }
          return searches
        }
      }
      for try await _ in group {}
    }
    #expect(test.store.statistics.documents == 6)
  }
}

private final class Flag: Sendable {
  private let value = Mutex(false)
  var isRaised: Bool { value.withLock { $0 } }
  func raise() { value.withLock { $0 = true } }
}
