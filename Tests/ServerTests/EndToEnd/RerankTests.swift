// Reranking over HTTP with a tiny cross-encoder: the route of its own, searches whose results are read
// again, and what is said where no such model is loaded.

import Foundation
import JSON
import Testing

@testable import Server

@Suite struct RerankTests {
  private static let model = Repository.file("Tests/Fixtures/models/rerank-bert").path
  private static let embeddingModel = Repository.file("Tests/Fixtures/models/sentence-modules").path
  private static let shared = Task {
    try await TestServer.start {
      $0.model = "none"
      $0.embeddingModel = embeddingModel
      $0.rerankModel = model
      $0.embeddingPrecision = .float32
    }
  }

  private func golden() throws -> (pairs: [[String]], scores: [Double]) {
    let data = try Data(contentsOf: URL(fileURLWithPath: Self.model + "/golden.json"))
    let json = try JSONValue(parsing: [UInt8](data))
    return (
      (json["pairs"]?.array ?? []).map { ($0.array ?? []).compactMap(\.string) },
      (json["scores"]?.array ?? []).compactMap(\.double)
    )
  }

  @Test(arguments: Door.allCases)
  func documentsAreRankedByTheModelsScores(door: Door) async throws {
    let server = try await Self.shared.value
    let (pairs, scores) = try golden()
    // The first two pairs have the same query.
    for path in ["/v1/rerank", "/rerank"] {
      let answer = try await server.post(
        path,
        [
          "query": .string(pairs[0][0]),
          "documents": [.string(pairs[0][1]), ["text": .string(pairs[1][1])]],
          "return_documents": true,
        ], through: door)
      #expect(answer.status == 200, "\(answer.text)")
      #expect(answer.json["model"] == "rerank-bert")
      let results = try #require(answer.json["results"]?.array)
      let expected = scores[0] > scores[1] ? [0, 1] : [1, 0]
      #expect(results.map { $0["index"]?.int } == expected)
      for result in results {
        let index = try #require(result["index"]?.int)
        let score = try #require(result["relevance_score"]?.double)
        #expect(abs(score - scores[index]) < 1e-4)
        #expect(result["document"]?["text"]?.string == pairs[index][1])
      }
      #expect(try #require(answer.json["usage"]?["total_tokens"]?.int) > 10)
    }
  }

  @Test func fewerAreAnsweredOnRequest() async throws {
    let server = try await Self.shared.value
    let answer = try await server.post(
      "/v1/rerank", ["query": "今天", "documents": ["a", "天气很好", "c"], "top_n": 2])
    let results = try #require(answer.json["results"]?.array)
    #expect(results.count == 2)
    #expect(results[0]["document"] == nil)
  }

  @Test(arguments: [
    #"{"query": "a"}"#, #"{"query": "a", "documents": []}"#, #"{"query": "", "documents": ["a"]}"#,
    #"{"query": "a", "documents": [5]}"#, #"{"query": "a", "documents": ["b"], "top_n": 0}"#,
    #"{"documents": ["b"]}"#, #"{"query": "a", "documents": ["b"], "model": "sentence-modules"}"#,
  ])
  func badInputIsRefused(body: String) async throws {
    let server = try await Self.shared.value
    let answer = try await server.send(.post, "/v1/rerank", bytes: Array(body.utf8))
    #expect(answer.status == 400, "\(body): \(answer.text)")
    #expect(answer.errorMessage.count > 10)
  }

  @Test func searchesAreReranked() async throws {
    let server = try await Self.shared.value
    let texts = try golden().pairs.map { $0[1] }.filter { $0.count < 100 }
    let documents = texts.enumerated().map { index, text -> JSONValue in
      ["id": .string("\(index)"), "text": .string(text)]
    }
    let settings: JSONValue = ["chunking": ["strategy": "none"]]
    #expect(try await server.send(.put, "/collections/reranked", settings).status == 201)
    let stored = try await server.post("/collections/reranked/documents", .array(documents))
    #expect(stored.status == 200, "\(stored.text)")
    let query = "how do I reset it"
    func results(_ rerank: JSONValue, _ more: JSONObject = [:]) async throws -> [JSONValue] {
      var body: JSONObject = [
        "query": .string(query), "collection": "reranked", "mode": "dense", "top_k": 3,
        "rerank": rerank,
      ]
      for (key, value) in more { body[key] = value }
      let answer = try await server.post("/retrieve", .object(body))
      #expect(answer.status == 200, "\(answer.text)")
      return answer.json["results"]?.array ?? []
    }
    let reranked = try await results(true)
    #expect(reranked.count == 3)
    let byRoute = try await server.post(
      "/v1/rerank", ["query": .string(query), "documents": .array(texts.map(JSONValue.string))])
    let best = try #require(byRoute.json["results"]?.array)
    for (result, expected) in zip(reranked, best) {
      #expect(result["document_id"]?.string == expected["index"]?.int.map(String.init))
      #expect(result["score"] == result["scores"]?["rerank"])
      #expect(result["scores"]?["dense"]?.double != nil)
      let score = try #require(result["score"]?.double)
      #expect(abs(score - (expected["relevance_score"]?.double ?? 0)) < 1e-6)
    }
    let plain = try await results(false)
    #expect(plain.first?["scores"]?["rerank"]?.isNull == true)
    #expect(try await results(["top_n": 1]).count == 1)
    // Only the best of the usual ranking is read again.
    let one = try await results(["candidates": 1])
    #expect(one.map { $0["id"] } == plain.prefix(1).map { $0["id"] })
    let second = try #require(reranked[1]["score"]?.double)
    let above = try await results(true, ["min_score": .double(second)])
    #expect(above.count == 2)
  }

  @Test(arguments: [
    (#"{"query": "a", "rerank": 5}"#, 400), (#"{"query": "a", "rerank": {"model": "none"}}"#, 400),
    (#"{"query": "a", "rerank": true, "mmr": {}}"#, 400),
    (#"{"query": "a", "rerank": {"candidates": 0}}"#, 400),
    (#"{"query": "a", "rerank": {"top_n": 0}}"#, 400),
  ])
  func badRerankFieldsAreRefused(body: String, status: Int) async throws {
    let server = try await Self.shared.value
    let answer = try await server.send(.post, "/retrieve", bytes: Array(body.utf8))
    #expect(answer.status == status, "\(answer.text)")
    #expect(answer.errorMessage.contains("rerank"))
  }

  @Test func withoutAModelTheRemedyIsNamed() async throws {
    let server = try await TestServer.start {
      $0.model = "none"
      $0.embeddingModel = "none"
    }
    let route = try await server.post("/v1/rerank", ["query": "a", "documents": ["b"]])
    let search = try await server.post(
      "/retrieve", ["query": "a", "mode": "sparse", "rerank": true])
    for answer in [route, search] {
      #expect(answer.status == 503)
      #expect(answer.errorCode == "no_rerank_model")
      #expect(answer.errorMessage.contains("--rerank-model"))
    }
    await server.server.stop()
  }

  @Test func aModelThatScoresNoPairsIsRefusedAtTheStart() async throws {
    await #expect {
      _ = try await TestServer.start {
        $0.model = "none"
        $0.embeddingModel = "none"
        $0.rerankModel = Self.embeddingModel
      }
    } throws: { error in
      "\(error)".contains("The reranking model in")
    }
  }
}
