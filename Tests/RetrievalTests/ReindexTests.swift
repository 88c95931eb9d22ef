// Reindexing: new settings and models, while the collection serves and changes, and cut short.

import Documents
import FoundationEssentials
import JSON
import Synchronization
import Testing

@testable import Retrieval

@Suite struct ReindexTests {
  private func inputs(_ range: Range<Int>) -> [DocumentInput] {
    range.map { number in
      DocumentInput(
        id: "d\(number)", text: "Sentence \(number) of a river. 第\(number)句话。 Another sentence.",
        metadata: ["n": .integer(Int64(number))])
    }
  }

  private func update(_ text: String) throws -> CollectionSettingsUpdate {
    try CollectionSettingsUpdate(json: json(text))
  }

  private func texts(_ store: DocumentStore, _ query: String, in name: String = "default")
    async throws -> [String]
  {
    var request = RetrievalRequest(.query(query))
    request.collection = name
    request.topK = 100
    return try await store.retrieve(request).results[0].map(\.text).sorted()
  }

  /// What a collection made so from the beginning holds.
  private func fresh(_ store: DocumentStore, _ settings: String, _ inputs: [DocumentInput])
    async throws -> [String]
  {
    _ = try await store.putCollection("fresh", try update(settings))
    _ = try await store.putDocuments(inputs, in: "fresh")
    return try await texts(store, "sentence river", in: "fresh")
  }

  @Test func settingsOfACollectionWithDocumentsBecomeChangeable() async throws {
    let test = try await TestStore()
    let inputs = inputs(0..<20)
    _ = try await test.store.putDocuments(inputs, in: "default")
    let before = try await test.store.document("d3", in: "default")
    let settings = #"{"chunking": {"size": 30, "overlap": 0}, "language": "zh"}"#
    let refused = await asyncRefusal {
      _ = try await test.store.putCollection("default", try update(settings))
    }
    #expect("\(try #require(refused))".contains("reindex"))
    let done = Mutex<[Int]>([])
    let info = try await test.store.reindex("default", try update(settings)) { number in
      done.withLock { $0.append(number) }
    }
    #expect(info.settings.language == "zh" && info.settings.chunking.size == 30)
    #expect(info.documentCount == 20 && info.chunkCount == 40)
    #expect(done.withLock { $0.last } == 20)
    #expect(try await test.store.collections().map(\.name) == ["default"])
    var after = try await test.store.document("d3", in: "default")
    #expect(after.chunkCount > before.chunkCount)
    after.chunkCount = before.chunkCount
    #expect(after == before)
    #expect(
      try await texts(test.store, "sentence river")
        == (try await fresh(test.store, settings, inputs)))
    #expect(
      try await test.store.documents(in: "default").documents.map(\.id) == inputs.map { $0.id })
  }

  @Test func aReindexGoesOverToAnotherModel() async throws {
    let directory = try TemporaryDirectory()
    do {
      let store = try await openStore(in: directory)
      _ = try await store.putDocuments(inputs(0..<10), in: "default")
      try await store.close()
    }
    let reports = Reports()
    let embedder = FakeEmbedder(name: "other", dimension: 40, weightHash: "ff")
    let store = try await DocumentStore.open(
      DocumentStoreConfiguration(dataDirectory: directory.path), embedder: embedder,
      pool: sharedPool, report: reports.add)
    #expect(reports.all.count == 1 && reports.all[0].contains("martlet reindex"))
    let refused = await asyncRefusal {
      _ = try await store.putDocuments([DocumentInput(id: "new", text: "new")], in: "default")
    }
    #expect(refused?.code == "embedding_model_mismatch")
    let info = try await store.reindex("default", CollectionSettingsUpdate()) { _ in }
    #expect(info.embedding == embedder.identity && info.chunkCount == 10)
    _ = try await store.putDocuments([DocumentInput(id: "new", text: "new")], in: "default")
    #expect(try await texts(store, "sentence").count == 11)
    // The next start finds the new index under the name.
    let copy = try TemporaryDirectory()
    let backup = copy.path + "/backup"
    _ = try DatabaseCopy.backUp(dataDirectory: directory.path, to: backup, replacing: false)
    _ = try DatabaseCopy.restore(backup, dataDirectory: copy.path + "/data", replacing: false)
    let reopened = try await DocumentStore.open(
      DocumentStoreConfiguration(dataDirectory: copy.path + "/data"), embedder: embedder,
      pool: sharedPool)
    #expect(try await texts(reopened, "sentence").count == 11)
    try await reopened.close()
  }

  /// Cut short by a restart, the work that was done is not done again.
  @Test func anInterruptedReindexGoesOn() async throws {
    let directory = try TemporaryDirectory()
    let settings = #"{"chunking": {"size": 30, "overlap": 0}}"#
    let inputs = inputs(0..<100)
    do {
      let store = try await openStore(in: directory)
      _ = try await store.putDocuments(inputs, in: "default")
      let before = try await texts(store, "sentence")
      let work = Task {
        try await store.reindex("default", try update(settings)) { done in
          if done >= 60 { withUnsafeCurrentTask { $0?.cancel() } }
        }
      }
      await #expect(throws: CancellationError.self) { _ = try await work.value }
      // As it was, and hidden.
      #expect(try await texts(store, "sentence") == before)
      #expect(try await store.collections().map(\.name) == ["default"])
      // Changes meanwhile are not lost.
      try await store.deleteDocument("d5", in: "default")
      _ = try await store.patchDocument("d6", metadata: ["n": 600], in: "default")
      _ = try await store.putDocuments(
        [DocumentInput(id: "d7", text: "Changed text.")], in: "default")
      try await store.close()
    }
    let embedder = FakeEmbedder()
    let store = try await openStore(in: directory, embedder: embedder)
    let first = Mutex<Int?>(nil)
    let info = try await store.reindex("default", try update(settings)) { done in
      first.withLock { $0 = $0 ?? done }
    }
    #expect(first.withLock { $0 } ?? 0 >= 60)
    #expect(info.documentCount == 99)
    #expect(embedder.texts.count < 99 * 3 / 2, "\(embedder.texts.count)")
    // Embedded when it was stored.
    #expect(!embedder.texts.contains("Changed text."))
    #expect(try await store.document("d6", in: "default").metadata["n"] == 600)
    #expect(await asyncRefusal { _ = try await store.document("d5", in: "default") } != nil)
    let expected = try await fresh(
      store, settings,
      inputs.filter { $0.id != "d5" && $0.id != "d7" }
        + [DocumentInput(id: "d7", text: "Changed text.")])
    #expect(try await texts(store, "sentence river") == expected)
  }

  /// Documents come, change and go while it runs; every acknowledged change is there in the end.
  @Test func aReindexLosesNothingThatIsWrittenMeanwhile() async throws {
    let test = try await TestStore()
    _ = try await test.store.putDocuments(inputs(0..<60), in: "default")
    let settings = #"{"chunking": {"size": 30, "overlap": 0}}"#
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        _ = try await test.store.reindex("default", try update(settings)) { _ in }
      }
      group.addTask {
        for number in 60..<90 {
          _ = try await test.store.putDocuments(inputs(number..<number + 1), in: "default")
          try await test.store.deleteDocument("d\(number - 60)", in: "default")
        }
      }
      try await group.waitForAll()
    }
    let page = try await test.store.documents(in: "default", limit: 1000)
    #expect(Set(page.documents.map(\.id)) == Set((30..<90).map { "d\($0)" }))
    #expect(try await test.store.collection("default").chunkCount == 120)
  }

  /// Collections of few documents are reindexed in less time than a batch takes to be embedded.
  @Test func aBatchOutlastsReindexesThatOvertakeIt() async throws {
    let directory = try TemporaryDirectory()
    let embedder = OvertakenEmbedder()
    let store = try await openStore(in: directory, embedder: embedder)
    embedder.overtake(times: 3, by: "overtaken") { turn in
      let chunking = #"{"chunking": {"size": \#(100 + turn), "overlap": 0}}"#
      _ = try await store.reindex("default", try self.update(chunking)) { _ in }
    }
    let result = try await store.putDocuments(
      [DocumentInput(id: "d", text: "A text that is overtaken.")], in: "default")
    #expect(result.chunks == 1)
    #expect(embedder.turnsLeft == 0)
    #expect(try await store.collection("default").settings.chunking.size == 100)
  }

  /// What changes neither model nor prompt nor a chunk's text embeds nothing.
  @Test(arguments: [
    (#"{"language": "zh"}"#, 60, 0), (#"{"metric": "dot"}"#, 60, 0), ("{}", 60, 0),
    // The second sentence of each document goes to the third, the first stays alone.
    (#"{"chunking": {"size": 42}}"#, 40, 20),
    (#"{"prompts": {"passage": "passage: "}}"#, 60, 60),
  ])
  func onlyWhatIsNewIsEmbedded(settings: String, chunks: Int, embedded: Int) async throws {
    let test = try await TestStore()
    _ = try await test.store.putCollection(
      "default", try update(#"{"chunking": {"size": 30, "overlap": 0}}"#))
    let inputs = (0..<20).map { number in
      DocumentInput(
        id: "d\(number)",
        text:
          "Sentence \(number) of one long river. Another one \(number). And a third, longer one.")
    }
    _ = try await test.store.putDocuments(inputs, in: "default")
    #expect(test.store.statistics.chunks == 60)
    let before = test.embedder.texts.count
    let info = try await test.store.reindex("default", try update(settings)) { _ in }
    #expect(info.chunkCount == chunks)
    #expect(
      test.embedder.texts.count - before == embedded, "\(test.embedder.texts.suffix(3))")
    var request = RetrievalRequest(.query("Sentence 7 of one long river."))
    request.mode = .dense
    let best = try #require(try await test.store.retrieve(request).results[0].first)
    #expect(best.documentID == "d7")
  }

  /// A model that sees more of each text makes other vectors of it, under the same name.
  @Test func anotherLimitEmbedsAnew() async throws {
    let directory = try TemporaryDirectory()
    do {
      let store = try await openStore(in: directory, embedder: FakeEmbedder(maximumTokens: 4))
      _ = try await store.putDocuments(inputs(0..<5), in: "default")
      try await store.close()
    }
    let embedder = FakeEmbedder(maximumTokens: 64)
    let store = try await openStore(in: directory, embedder: embedder)
    _ = try await store.reindex("default", CollectionSettingsUpdate()) { _ in }
    #expect(embedder.texts.count == 5)
  }

  @Test func whatCantBeDoneIsRefused() async throws {
    let test = try await TestStore()
    let none = CollectionSettingsUpdate()
    let missing = await asyncRefusal { _ = try await test.store.reindex("nowhere", none) { _ in } }
    #expect(missing == .collectionNotFound("nowhere"))
    let other = try update(#"{"embedding_model": "other"}"#)
    let model = await asyncRefusal { _ = try await test.store.reindex("default", other) { _ in } }
    #expect(model?.field == "embedding_model")
    // Told before it becomes a job.
    test.store.reindexing.withLock { _ = $0.insert("default") }
    let second = await asyncRefusal { try await test.store.checkReindex("default", none) }
    #expect(second?.code == "conflict")
    let directory = try TemporaryDirectory()
    let without = try await openStore(in: directory, embedder: nil)
    let absent = await asyncRefusal { _ = try await without.reindex("default", none) { _ in } }
    #expect(absent == .embeddingModelMissing)
  }

  /// A collection that is deleted takes with it what was reindexed of it.
  @Test func aDeletedCollectionLeavesNothing() async throws {
    let test = try await TestStore()
    _ = try await test.store.putCollection("gone")
    _ = try await test.store.putDocuments(inputs(0..<50), in: "gone")
    let work = Task {
      try await test.store.reindex("gone", CollectionSettingsUpdate()) { done in
        if done > 0 { withUnsafeCurrentTask { $0?.cancel() } }
      }
    }
    await #expect(throws: CancellationError.self) { _ = try await work.value }
    #expect(test.store.statistics.collections == 3)
    try await test.store.deleteCollection("gone")
    #expect(test.store.statistics.collections == 1)
    #expect(test.store.statistics.chunks == 0)
  }
}

/// Lets something else happen first while it embeds certain texts.
private final class OvertakenEmbedder: Embedder {
  private let embedder = FakeEmbedder()
  private let state = Mutex<(left: Int, word: String, event: @Sendable (Int) async throws -> Void)>(
    (0, "", { _ in }))

  var identity: EmbedderIdentity { embedder.identity }
  var turnsLeft: Int { state.withLock { $0.left } }

  /// - Parameter event: gets how many turns are left
  func overtake(
    times: Int, by word: String, _ event: @escaping @Sendable (Int) async throws -> Void
  ) {
    state.withLock { $0 = (times, word, event) }
  }

  func embed(_ texts: [String], prompt: String) async throws -> [EmbeddedText] {
    let turn = state.withLock { state -> (Int, @Sendable (Int) async throws -> Void)? in
      guard state.left > 0, texts.contains(where: { $0.contains(state.word) }) else { return nil }
      state.left -= 1
      return (state.left, state.event)
    }
    if let (left, event) = turn { try await event(left) }
    return try await embedder.embed(texts, prompt: prompt)
  }

  func tokenCount(_ text: String) -> Int { embedder.tokenCount(text) }
}
