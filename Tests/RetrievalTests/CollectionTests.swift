// Collections and single documents: rules, listings, changes and deletions.

import Documents
import GRDB
import JSON
import Testing

@testable import Retrieval

@Suite struct CollectionTests {
  @Test func theDefaultCollectionAlwaysExists() async throws {
    let test = try await TestStore()
    #expect(try await test.store.collections().map(\.name) == ["default"])
    try await test.put(["a": "text"])
    try await test.store.deleteCollection("default")
    let info = try await test.store.collection("default")
    #expect(info.documentCount == 0 && info.embedding == test.embedder.identity)
    #expect(try await test.search("text").isEmpty)
    try await test.put(["a": "text"])
    #expect(try await test.search("text").count == 1)
  }

  @Test func collectionsAreMadeAndDeleted() async throws {
    let test = try await TestStore()
    let (created, info) = try await test.store.putCollection("notes")
    #expect(created && info.settings == CollectionSettings())
    #expect(try await test.store.putCollection("notes").created == false)
    try await test.put(["a": "text"], in: "notes")
    #expect(try await test.store.collections().map(\.chunkCount) == [0, 1])
    let json = try await test.store.collection("notes").json
    #expect(
      json["documents"] == 1 && json["embedding_model"] == "fake" && json["metric"] == "cosine")
    try await test.store.deleteCollection("notes")
    #expect(
      await asyncRefusal { _ = try await test.store.collection("notes") }
        == .collectionNotFound("notes")
    )
    #expect(
      await asyncRefusal { try await test.store.deleteCollection("notes") }
        == .collectionNotFound("notes"))
    #expect(
      await asyncRefusal { try await test.put(["a": "x"], in: "notes") }
        == .collectionNotFound("notes"))
    #expect(
      await asyncRefusal { _ = try await test.search("x") { $0.collection = "notes" } }
        == .collectionNotFound("notes"))
    let leftovers = try await test.store.database.read { database in
      try Int.fetchOne(
        database,
        sql: "SELECT (SELECT count(*) FROM documents) + (SELECT count(*) FROM chunks)")
    }
    #expect(leftovers == 0)
  }

  @Test(arguments: ["", ".hidden", "a b", "ä", "a/b", String(repeating: "x", count: 65), "-"])
  func badNamesAreRefused(name: String) async throws {
    let test = try await TestStore()
    let error = await asyncRefusal { _ = try await test.store.putCollection(name) }
    #expect(error?.field == "collection")
  }

  @Test func settingsOfAFilledCollectionStay() async throws {
    let test = try await TestStore()
    var update = CollectionSettingsUpdate()
    update.size = 300
    update.metric = .dot
    #expect(
      try await test.store.putCollection("c", update).collection.settings.chunking.size == 300)
    update.size = 400
    #expect(
      try await test.store.putCollection("c", update).collection.settings.chunking.size == 400)
    try await test.put(["a": "text"], in: "c")
    #expect(try await test.store.putCollection("c", update).collection.documentCount == 1)
    #expect(try await test.store.putCollection("c").collection.settings.chunking.size == 400)
    update.size = 500
    let error = await asyncRefusal { _ = try await test.store.putCollection("c", update) }
    let message = "\(try #require(error))"
    #expect(error?.code == "conflict" && message.contains("reindex"))
    try await test.store.deleteDocument("a", in: "c")
    #expect(
      try await test.store.putCollection("c", update).collection.settings.chunking.size == 500)
  }

  @Test func anotherEmbeddingModelIsNotPretended() async throws {
    let test = try await TestStore()
    var update = CollectionSettingsUpdate()
    update.embeddingModel = "other"
    #expect(
      await asyncRefusal { _ = try await test.store.putCollection("c", update) }?.field
        == "embedding_model")
    update.embeddingModel = "fake"
    #expect(try await test.store.putCollection("c", update).created)
  }

  @Test func documentsAreListedInPages() async throws {
    let test = try await TestStore()
    for number in 0..<7 { try await test.put(["d\(number)": "text \(number)"]) }
    var seen: [String] = []
    var after: String?
    repeat {
      let page = try await test.store.documents(in: "default", limit: 3, after: after)
      seen += page.documents.map(\.id)
      after = page.next
    } while after != nil
    #expect(seen == (0..<7).map { "d\($0)" })
    let summary = try await test.store.documents(in: "default", limit: 1).documents[0]
    #expect(summary.characterCount == 6 && summary.chunkCount == 1)
    #expect(
      await asyncRefusal { _ = try await test.store.documents(in: "default", after: "x") }?.field
        == "after")
    #expect(
      await asyncRefusal { _ = try await test.store.documents(in: "default", limit: 0) }?.field
        == "limit")
  }

  @Test func metadataIsMerged() async throws {
    let test = try await TestStore()
    _ = try await test.store.putDocuments(
      [DocumentInput(id: "a", text: "t", metadata: ["x": 1, "y": 2, "z": ["p": 1, "q": 2]])],
      in: "default")
    let patched = try await test.store.patchDocument(
      "a", metadata: ["x": nil, "y": "new", "z": ["q": nil, "r": 3], "w": [1]], in: "default")
    #expect(patched.metadata == ["y": "new", "z": ["p": 1, "r": 3], "w": [1]])
    #expect(try await test.store.document("a", in: "default").metadata == patched.metadata)
    #expect(test.embedder.texts.count == 1)
    let found = try await test.search("t") { $0.filter = .comparison(.eq, key: "z.r", value: 3) }
    #expect(found.count == 1)
    #expect(
      await asyncRefusal {
        _ = try await test.store.patchDocument("b", metadata: [:], in: "default")
      }
        == .documentNotFound(collection: "default", id: "b"))
  }

  /// What a source no longer holds goes, by its ids or by what it holds; nothing else does.
  @Test func documentsKnowTheirSource() async throws {
    let test = try await TestStore()
    func put(_ ids: [String], of source: String?) async throws {
      let inputs = ids.map { DocumentInput(id: $0, text: "text \($0)", source: source) }
      _ = try await test.store.putDocuments(inputs, in: "default")
    }
    func ids(of source: String? = nil) async throws -> [String] {
      try await test.store.documents(in: "default", of: source).documents.map(\.id)
    }
    try await put(["a1", "a2", "a3"], of: "a.csv")
    try await put(["b1", "b2"], of: "b.csv")
    try await put(["c"], of: nil)
    #expect(try await ids(of: "a.csv") == ["a1", "a2", "a3"])
    #expect(try await test.store.document("a1", in: "default").source == "a.csv")
    // Whoever stores a document last is its source; nothing is embedded for that.
    let embedded = test.embedder.texts.count
    try await put(["a3"], of: "b.csv")
    #expect(test.embedder.texts.count == embedded)
    _ = try await test.store.patchDocument("a3", metadata: ["n": 1], in: "default")
    #expect(try await ids(of: "b.csv") == ["a3", "b1", "b2"])
    #expect(
      try await test.store.deleteDocuments(of: "a.csv", except: ["a2", "b1"], in: "default") == 1)
    #expect(try await ids() == ["a2", "a3", "b1", "b2", "c"])
    #expect(try await test.store.deleteDocuments(["b1", "b1", "none"], in: "default") == 1)
    _ = try await test.store.reindex("default", CollectionSettingsUpdate()) { _ in }
    #expect(try await ids(of: "b.csv") == ["a3", "b2"])
    #expect(try await ids(of: "none") == [])
    let refusal = await #expect(throws: DocumentError.self) {
      try await put(["x"], of: String(repeating: "x", count: 2049))
    }
    #expect(refusal?.code == "invalid_document")
  }

  @Test func documentsAreDeleted() async throws {
    let test = try await TestStore()
    let documents = (0..<10).map { number in
      DocumentInput(
        id: "\(number)", text: "common word\(number)", metadata: ["n": .integer(Int64(number))])
    }
    _ = try await test.store.putDocuments(documents, in: "default")
    try await test.store.deleteDocument("4", in: "default")
    #expect(
      await asyncRefusal { try await test.store.deleteDocument("4", in: "default") }
        == .documentNotFound(collection: "default", id: "4"))
    let filter = Filter.comparison(.gte, key: "n", value: 7)
    #expect(try await test.store.deleteDocuments(matching: filter, in: "default") == 3)
    #expect(try await test.store.deleteDocuments(matching: filter, in: "default") == 0)
    for mode in RetrievalMode.allCases {
      let left = try await test.search("common", mode: mode, topK: 20).map(\.documentID).sorted()
      #expect(left == ["0", "1", "2", "3", "5", "6"])
    }
    #expect(try await test.search("word4", mode: .sparse).isEmpty)
  }
}
