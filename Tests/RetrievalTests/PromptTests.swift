// Prompts in front of what is embedded: the model's own, the collection's, and what may be changed.

import Documents
import JSON
import Testing

@testable import Retrieval

@Suite struct PromptTests {
  private func settings(_ text: String) throws -> CollectionSettingsUpdate {
    try CollectionSettingsUpdate(json: JSONValue(parsing: Array(text.utf8)))
  }

  @Test func queriesAndPassagesHaveTheModelsPrompts() async throws {
    let embedder = FakeEmbedder(
      prompts: EmbeddingPrompts(query: "ask: ", passage: "text: "), metric: .dot)
    let directory = try TemporaryDirectory()
    let store = try await openStore(in: directory, embedder: embedder)
    let info = try await store.collection("default")
    #expect(info.prompts == EmbeddingPrompts(query: "ask: ", passage: "text: "))
    #expect(info.settings.metric == .dot)
    _ = try await store.putDocuments([DocumentInput(id: "a", text: "birds 鸟")], in: "default")
    _ = try await store.retrieve(RetrievalRequest(.query("鸟")))
    var request = RetrievalRequest(.query("birds"))
    request.hypothetical = "birds fly"
    _ = try await store.retrieve(request)
    #expect(
      embedder.texts == ["text: birds 鸟", "ask: 鸟", "ask: birds", "text: birds fly"])
  }

  @Test func aCollectionsPromptsGoBeforeTheModels() async throws {
    let embedder = FakeEmbedder(prompts: EmbeddingPrompts(query: "ask: ", passage: "text: "))
    let directory = try TemporaryDirectory()
    do {
      let store = try await openStore(in: directory, embedder: embedder)
      _ = try await store.putCollection(
        "own", settings(#"{"prompts": {"query": "query: ", "passage": ""}}"#))
      _ = try await store.putDocuments([DocumentInput(id: "a", text: "birds")], in: "own")
      try await store.close()
    }
    let store = try await openStore(in: directory, embedder: embedder)
    var request = RetrievalRequest(.query("birds"))
    request.collection = "own"
    _ = try await store.retrieve(request)
    #expect(embedder.texts == ["birds", "query: birds"])
    // What is stored stays; how it is asked for may change.
    let (_, changed) = try await store.putCollection(
      "own", settings(#"{"prompts": {"query": "q: "}}"#))
    #expect(changed.prompts == EmbeddingPrompts(query: "q: ", passage: ""))
    _ = try await store.retrieve(request)
    #expect(embedder.texts.last == "q: birds")
    let refused = await asyncRefusal {
      _ = try await store.putCollection("own", settings(#"{"prompts": {"passage": "p: "}}"#))
    }
    #expect(refused?.code == "conflict")
  }

  /// A chunk ends so that its prompt and it fit the model together.
  @Test func chunksLeaveRoomForTheirPrompt() async throws {
    let prompt = String(repeating: "word ", count: 40)
    let embedder = FakeEmbedder(prompts: EmbeddingPrompts(passage: prompt))
    let directory = try TemporaryDirectory()
    let store = try await openStore(in: directory, embedder: embedder)
    let text = (0..<60).map { "Sentence number \($0). " }.joined()
    let result = try await store.putDocuments([DocumentInput(id: "a", text: text)], in: "default")
    #expect(result.truncatedChunks == 0 && result.chunks > 5)
    #expect(embedder.texts.allSatisfy { $0.hasPrefix(prompt) })
  }

  @Test(arguments: [
    #"{"prompts": "query: "}"#, #"{"prompts": {"query": 5}}"#,
    #"{"prompts": {"passage": "a\u0000b"}}"#,
  ])
  func promptsThatAreNoneAreRefused(text: String) throws {
    let error = try #require(refusal { _ = try settings(text) })
    #expect(error.field?.hasPrefix("prompts") == true)
  }
}
