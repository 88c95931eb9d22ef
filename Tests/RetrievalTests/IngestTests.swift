// Batches: all or nothing, nothing embedded twice, and documents as they were sent.

import Documents
import JSON
import Testing

@testable import Retrieval

@Suite struct IngestTests {
  @Test func aBatchIsAnswered() async throws {
    let test = try await TestStore(embedder: FakeEmbedder(maximumTokens: 8))
    var update = CollectionSettingsUpdate()
    update.strategy = ChunkingStrategy.none
    _ = try await test.store.putCollection("whole", update)
    let result = try await test.put(
      ["a": "one two", "b": "one two three four five six seven eight nine", "c": " "], in: "whole")
    #expect(
      result.json == [
        "documents": 3, "chunks": 2, "unchanged": 0, "removed": 0, "truncated_chunks": 1,
      ])
    #expect(result.ids == ["a", "b", "c"])
    #expect(result.embeddedTokens == 4 + 8)
  }

  @Test func unchangedDocumentsCostNothing() async throws {
    let test = try await TestStore()
    let first = try await test.put(["a": "apples. pears.", "b": "plums"])
    #expect(first.documents == 2 && first.unchanged == 0 && first.chunks == 2)
    let generation = test.store.indexes.current(1)?.generation
    let second = try await test.put(["a": "apples. pears.", "b": "plums"])
    #expect(second.documents == 2 && second.unchanged == 2 && second.chunks == 0)
    #expect(test.embedder.texts.count == 2)
    #expect(test.store.indexes.current(1)?.generation == generation)
    let third = try await test.put(["a": "apples. pears.", "b": "plums and figs", "c": "new"])
    #expect(third.unchanged == 1 && third.chunks == 2)
    #expect(test.embedder.texts.suffix(2) == ["plums and figs", "new"])
    #expect(try await test.search("plums", mode: .sparse).map(\.text) == ["plums and figs"])
    #expect(test.store.statistics.chunks == 3)
  }

  @Test func newMetadataAloneEmbedsNothing() async throws {
    let test = try await TestStore()
    func put(_ metadata: JSONObject) async throws -> IngestResult {
      try await test.store.putDocuments(
        [DocumentInput(id: "a", text: "apples", metadata: metadata)], in: "default")
    }
    _ = try await put(["x": 1, "y": 2])
    #expect(try await put(["y": 2, "x": 1]).unchanged == 1, "the order of members doesn't matter")
    let changed = try await put(["x": 3])
    #expect(changed.unchanged == 0 && changed.chunks == 0)
    #expect(test.embedder.texts == ["apples"])
    #expect(try await test.store.document("a", in: "default").metadata == ["x": 3])
    #expect(try await test.search("apples").map(\.metadata) == [["x": 3]])
  }

  @Test func oneBadDocumentStoresNothing() async throws {
    let test = try await TestStore()
    for bad in ["", "a\nb", String(repeating: "x", count: 513)] {
      let error = await #expect(throws: DocumentError.self) {
        _ = try await test.store.putDocuments(
          [DocumentInput(id: "good", text: "t"), DocumentInput(id: bad, text: "t")], in: "default")
      }
      #expect(error?.field == "documents[1]")
    }
    let twice = await #expect(throws: DocumentError.self) {
      _ = try await test.store.putDocuments(
        [DocumentInput(id: "a", text: "1"), DocumentInput(id: "a", text: "2")], in: "default")
    }
    #expect(
      twice
        == .invalidDocument(
          index: 1, id: "a", message: "document 0 of the same batch has the same id"))
    #expect(test.store.statistics.documents == 0)
    #expect(test.embedder.texts.isEmpty)
  }

  @Test func idsAreDerivedFromTextWhereTheyAreMissing() async throws {
    let test = try await TestStore()
    let first = try await test.store.putDocuments([DocumentInput(text: "same")], in: "default")
    let second = try await test.store.putDocuments([DocumentInput(text: "same")], in: "default")
    #expect(first.ids == second.ids && first.ids[0].utf8.count == 32)
    #expect(second.unchanged == 1)
  }

  @Test(arguments: ["NaN", "infinite", "short", "long", "missing", "huge"])
  func aMisbehavingModelStoresNothing(fault: String) async throws {
    let embedder = FakeEmbedder { honest in
      var answers = honest
      guard var last = answers.popLast() else { return [] }
      switch fault {
      case "NaN": last.vector[3] = .nan
      case "infinite": last.vector[0] = -.infinity
      case "short": last.vector.removeLast()
      case "long": last.vector.append(0)
      case "huge": last.vector[0] = 1e30
      default: return answers
      }
      return answers + [last]
    }
    let test = try await TestStore(embedder: embedder)
    let error = await asyncRefusal { try await test.put(["a": "x", "b": "y"]) }
    #expect(error?.code == "invalid_embedding")
    #expect(test.store.statistics.documents == 0)
    #expect(try await test.store.documents(in: "default").documents.isEmpty)
  }

  @Test func cancelledIngestsStoreNothing() async throws {
    let test = try await TestStore()
    let task = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      _ = try await test.put(["a": "x"])
    }
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(try await test.store.documents(in: "default").documents.isEmpty)
  }

  @Test func textComesBackUnaltered() async throws {
    let test = try await TestStore()
    let texts = [
      "zero\u{0}inside", "\u{FEFF}mark", "e\u{301} vs é", "👩‍👩‍👧👍🏽\r\n\ttab", "\u{10FFFF}",
      "模型。\u{2028}", "",
    ]
    for (number, text) in texts.enumerated() { try await test.put(["\(number)": text]) }
    for (number, text) in texts.enumerated() {
      let stored = try await test.store.document("\(number)", in: "default").text
      #expect(Array(stored.unicodeScalars) == Array(text.unicodeScalars))
    }
  }

  @Test func concurrentBatchesAllArrive() async throws {
    let test = try await TestStore()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for batch in 0..<8 {
        group.addTask {
          try await test.put(["shared": "version \(batch)", "own \(batch)": "text \(batch)"])
        }
      }
      try await group.waitForAll()
    }
    #expect(test.store.statistics.documents == 9 && test.store.statistics.chunks == 9)
    let shared = try await test.store.document("shared", in: "default").text
    #expect(try await test.search(shared, mode: .dense, topK: 1).first?.text == shared)
  }
}
