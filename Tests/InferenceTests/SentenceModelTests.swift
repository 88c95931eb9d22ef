// Models in sentence-transformers' own layout, texts in and vectors or scores out, against the library:
// several modes of pooling, dense layers, prompts, lower case; pairs of texts with their truncation.

import JSON
import Testing
import Tokenizers

@testable import Inference

@Suite struct SentenceModelTests {
  private static let tolerance = 1e-5

  private func embedder(_ name: String) throws -> (TextEmbedder, JSONValue) {
    (
      try TextEmbedder(directory: Fixtures.directory("models/\(name)"), pool: Fixtures.pool),
      try Fixtures.json("models/\(name)/golden.json")
    )
  }

  private func expect(
    _ vectors: [[Float]], _ golden: JSONValue?, _ what: String,
    _ location: SourceLocation = #_sourceLocation
  ) throws {
    let expected = try #require(golden?.array, sourceLocation: location).map(\.doubles)
    #expect(vectors.map(\.count) == expected.map(\.count), sourceLocation: location)
    let error = zip(vectors.joined(), expected.joined()).map { abs(Double($0) - $1) }.max() ?? 1
    #expect(error <= Self.tolerance, "\(what)", sourceLocation: location)
  }

  @Test(arguments: ["sentence-modules", "sentence-lasttoken", "sentence-decoder"])
  func vectorsAreThoseOfTheLibrary(name: String) async throws {
    let (embedder, golden) = try embedder(name)
    let texts = (golden["texts"]?.array ?? []).compactMap(\.string)
    let queries = (golden["queries"]?.array ?? []).compactMap(\.string)
    #expect(texts.count == 9 && queries.count == 3)
    let prompts = embedder.prompts
    let standard = try await embedder.embed(texts, prompt: prompts.standard)
    try expect(standard.vectors, golden["standard"], "the default prompt")
    #expect(standard.truncated.contains(true))
    let plain = try await embedder.embed(texts)
    try expect(plain.vectors, golden["plain"], "no prompt")
    let query = try await embedder.embed(queries, prompt: prompts.query)
    try expect(query.vectors, golden["query"], "the query's prompt")
    let document = try await embedder.embed(texts, prompt: prompts.passage)
    try expect(document.vectors, golden["document"], "the document's prompt")
    let given = try await embedder.embed(queries, prompt: "look up: ")
    try expect(given.vectors, golden["given"], "a prompt of one's own")
    #expect(plain.tokenCounts == golden["tokens"]?.integers.map(Int.init))
  }

  @Test func promptsAreThoseOfTheFile() throws {
    let (embedder, _) = try embedder("sentence-modules")
    #expect(embedder.dimension == 12 && embedder.maximumTokens == 24)
    #expect(embedder.prompts.standard == "text to find: ")
    #expect(embedder.prompts["other"] == "other " && embedder.prompts["none"] == nil)
    #expect(embedder.prompts.similarity == "dot")
    let (plain, _) = try self.embedder("sentence-lasttoken")
    #expect(plain.prompts.query == "" && plain.prompts["document"] == "")
    #expect(plain.prompts.names == ["document", "query"])
  }
}

@Suite struct RerankerTests {
  private func reranker(_ name: String) throws -> (TextReranker, JSONValue) {
    (
      try TextReranker(directory: Fixtures.directory("models/\(name)"), pool: Fixtures.pool),
      try Fixtures.json("models/\(name)/golden.json")
    )
  }

  @Test(arguments: ["rerank-bert", "rerank-roberta"])
  func scoresAreThoseOfTheLibrary(name: String) async throws {
    let (reranker, golden) = try reranker(name)
    let pairs = try #require(golden["pairs"]?.array)
    let expected = try #require(golden["scores"]).doubles
    for (index, pair) in pairs.enumerated() {
      let texts = (pair.array ?? []).compactMap(\.string)
      let batch = try await reranker.scores(query: texts[0], texts: [texts[1]])
      #expect(abs(Double(batch.scores[0]) - expected[index]) <= 1e-5, "\(texts)")
      let first = reranker.tokenizer.encode(texts[0], addSpecialTokens: false)
      let second = reranker.tokenizer.encode(texts[1], addSpecialTokens: false)
      let joined = reranker.tokenizer.pair(first, second, maximumTokens: 48)
      #expect(joined.ids == golden["ids"]?[index]?.integers)
      let types = golden["types"]?[index]?.integers ?? []
      #expect(types.isEmpty || joined.types.map(Int32.init) == types)
      #expect(batch.tokenCount == joined.ids.count)
    }
  }

  @Test func manyTextsHaveTheScoresOfOne() async throws {
    let (reranker, _) = try reranker("rerank-bert")
    let texts = (0..<90).map { String(repeating: "stone \($0) ", count: $0 % 30 + 1) }
    let together = try await reranker.scores(query: "which stone", texts: texts)
    for index in stride(from: 0, to: texts.count, by: 11) {
      let alone = try await reranker.scores(query: "which stone", texts: [texts[index]])
      #expect(alone.scores[0] == together.scores[index])
    }
    #expect(try await reranker.scores(query: "a", texts: []).scores.isEmpty)
  }
}
