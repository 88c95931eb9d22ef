// What a changed document costs: only chunks whose text is new are embedded; and what chunks know of
// their place.

import Documents
import JSON
import Testing

@testable import Retrieval

@Suite struct IncrementalIngestTests {
  private static let sentences = [
    "One cat sleeps.", "Two dogs bark.", "三只鸟在唱歌。", "Four fish swim.",
  ]

  private func settings(_ strategy: ChunkingStrategy, size: Int) -> CollectionSettingsUpdate {
    var update = CollectionSettingsUpdate()
    update.strategy = strategy
    update.size = size
    update.overlap = 0
    return update
  }

  @Test func onlyNewChunksAreEmbedded() async throws {
    let test = try await TestStore()
    _ = try await test.store.putCollection("parts", settings(.sentences, size: 16))
    try await test.put(["a": Self.sentences.joined(separator: " ")], in: "parts")
    #expect(test.embedder.texts == Self.sentences)
    // One in the middle changes, one moves to the front.
    let changed = [Self.sentences[3], Self.sentences[0], "Two wolves howl.", Self.sentences[2]]
    let result = try await test.put(["a": changed.joined(separator: " ")], in: "parts")
    #expect(test.embedder.texts.dropFirst(4) == ["Two wolves howl."])
    #expect(
      result.chunks == 4 && result.embeddedTokens == test.embedder.tokenCount("Two wolves howl."))
    for sentence in changed {
      let found = try await test.search(sentence, mode: .dense, topK: 1) { $0.collection = "parts" }
      #expect(found.first?.text == sentence)
      #expect((found.first?.score ?? 0) > 0.999)
    }
    // Nothing at all changes.
    let embedded = test.embedder.texts.count
    let again = try await test.put(["a": changed.joined(separator: " ")], in: "parts")
    #expect(again.unchanged == 1 && again.chunks == 0)
    #expect(test.embedder.texts.count == embedded)
  }

  @Test func whatTheModelCutOffIsRemembered() async throws {
    let test = try await TestStore(embedder: FakeEmbedder(maximumTokens: 4))
    _ = try await test.store.putCollection("lines", settings(.characters, size: 10))
    let long = "alpha beta gamma delta"
    try await test.put(["a": "\(long)\n\nshort"], in: "lines")
    let result = try await test.put(["a": "\(long)\n\nother"], in: "lines")
    #expect(result.truncatedChunks == 1)
    #expect(test.embedder.texts.count == 3)
  }

  @Test func resultsKnowPageAndHeading() async throws {
    let test = try await TestStore()
    _ = try await test.store.putCollection("guide", settings(.markdown, size: 60))
    _ = try await test.store.putDocuments(
      [
        DocumentInput(
          id: "m", text: "# Guide\n\n## Cats\n\nCats purr.\n\n## Dogs\n\nDogs bark.",
          metadata: ["format": "markdown"]),
        DocumentInput(
          id: "p", text: "Birds sing.\u{0C}Fish swim quietly.", metadata: ["format": "pdf"]),
      ], in: "guide")
    func top(_ query: String) async throws -> RetrievedChunk? {
      try await test.search(query, mode: .sparse, topK: 1) { $0.collection = "guide" }.first
    }
    #expect(try await top("dogs bark")?.heading == "Guide > Dogs")
    #expect(try await top("dogs bark")?.page == nil)
    let text = try await test.store.document("p", in: "guide").text
    #expect(text == "Birds sing.\u{0C}Fish swim quietly.")
    #expect(try await top("birds")?.page == 1)
    #expect(try await top("birds")?.json["page"] == 1)
    #expect(try await top("dogs")?.json["heading"] == "Guide > Dogs")
  }

  @Test func semanticChunksAreCutByTheModel() async throws {
    let test = try await TestStore()
    var update = settings(.semantic, size: 500)
    update.threshold = 80
    _ = try await test.store.putCollection("turns", update)
    let info = try await test.store.collection("turns")
    #expect(info.json["chunking"]?["threshold"] == 80)
    let text = """
      The cat sleeps. The cat eats. The cat plays. Stocks fell sharply. Stocks rose later. Stocks \
      closed flat.
      """
    let result = try await test.put(["a": text], in: "turns")
    // Of five distances, one is above the 80th percentile.
    #expect(result.chunks == 2)
  }

  @Test func thresholdsBelongToOneStrategy() throws {
    let update = try CollectionSettingsUpdate(
      json: json(#"{"chunking":{"strategy":"sentences","threshold":90}}"#))
    let error = refusal { _ = try CollectionSettings().applying(update) }
    #expect(error?.field == "chunking.threshold")
  }
}
