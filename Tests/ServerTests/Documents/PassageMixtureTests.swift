import Foundation
import Inference
import JSON
import Testing

@testable import Retrieval
@testable import Server

/// RAG-Token and RAG-Sequence over HTTP, with a model that says something else to each passage.
@Suite(.enabled(if: TestServer.hasEmbeddingModel), .serialized)
struct PassageMixtureTests {
  private let question = user("Who announced Llama 2?")
  /// By passage: the first is closest to the question, the others are more.
  private let rules = [
    ("[1] Llama 2 was announced", "Meta and Microsoft [1]."),
    ("Llama 2 comes with", "Nobody knows."),
    ("The Danube", "Nobody knows."), ("向量", "Nobody knows."),
  ]

  @Test(arguments: ["rag_token", "rag_sequence"])
  func weightsDecide(chain: String) async throws {
    let house = try await ScriptedServer.start(rules)
    let search: JSONObject = ["chain": .string(chain), "mode": "dense", "top_k": 4]
    let sharp = try await house.ask([question], search.merging(["tau": 0.01]) { $1 })
    #expect(sharp.content == "Meta and Microsoft [1].", "\(sharp.text)")
    // All passages count the same: what most of them say is the answer.
    let flat = try await house.ask([question], search.merging(["tau": 1_000]) { $1 })
    #expect(flat.content == "Nobody knows.")
    let retrieval = try #require(sharp.json["retrieval"])
    #expect(retrieval["results"]?.array?.map { $0["n"]?.int } == [1, 2, 3, 4])
    #expect(retrieval["citations"]?[0]?["document_id"] == "llama")
    // Every passage had a prompt of its own.
    #expect(Set(house.model.prompts).count == 4)
    #expect(house.model.prompts.allSatisfy { $0.components(separatedBy: "\n[").count == 2 })
    await house.stop()
  }

  @Test(arguments: ["rag_token", "rag_sequence"])
  func streamEqualsWhole(chain: String) async throws {
    let house = try await ScriptedServer.start(rules)
    let search: JSONObject = ["chain": .string(chain), "mode": "hybrid", "top_k": 3]
    let whole = try await house.ask([question], search)
    let streamed = try await house.ask(
      [question], search, ["stream": true, "stream_options": ["include_usage": true]])
    let events = try streamed.events()
    let pieces = events.compactMap { $0["choices"]?[0]?["delta"]?["content"]?.string }
    #expect(pieces.joined() == whole.content)
    #expect(pieces.count > 2)
    let usage = try #require(events.last?["usage"])
    for field in ["prompt_tokens", "completion_tokens"] {
      #expect(usage[field] == whole.json["usage"]?[field])
    }
    #expect(whole.json["usage"]?["prompt_tokens"]?.int ?? 0 > 150)
    await house.stop()
  }

  @Test func choicesAndLogprobsAreThoseOfTheMixture() async throws {
    let house = try await ScriptedServer.start(rules)
    let search: JSONObject = ["chain": "rag_token", "mode": "dense", "top_k": 4, "tau": 1_000]
    let answer = try await house.ask(
      [question], search,
      ["n": 2, "logprobs": true, "top_logprobs": 2, "temperature": 1, "top_k": 1])
    let choices = try #require(answer.json["choices"]?.array)
    #expect(choices.map { $0["message"]?["content"] } == ["Nobody knows.", "Nobody knows."])
    let top = try #require(choices[0]["logprobs"]?["content"]?[0]?["top_logprobs"]?.array)
    // Three of four passages say the one, one the other.
    #expect(abs((top[0]["logprob"]?.double ?? 0) + 0.2877) < 0.01)
    #expect(abs((top[1]["logprob"]?.double ?? 0) + 1.3863) < 0.01)
    await house.stop()
  }

  @Test func passagesBeyondTheEnginesPlacesAreLeftOut() async throws {
    let house = try await ScriptedServer.start(maximumSequences: 2, rules)
    for chain in ["rag_token", "rag_sequence"] {
      let answer = try await house.ask(
        [question], ["chain": .string(chain), "mode": "dense", "top_k": 4])
      let results = try #require(answer.json["retrieval"]?["results"]?.array)
      #expect(results.map { $0["used"]?.bool } == [true, true, false, false])
      #expect(results[3]["dropped"] == "context")
    }
    await house.stop()
  }

  @Test func oneDecisionHasNoChoices() async throws {
    let house = try await ScriptedServer.start(rules)
    for (field, value) in [("n", 2), ("logprobs", true)] as [(String, JSONValue)] {
      let answer = try await house.ask([question], ["chain": "rag_sequence"], [field: value])
      #expect(answer.status == 400)
      #expect(answer.json["error"]?["param"]?.string == field)
    }
    await house.stop()
  }

  /// With a model of real kernels: the same answer alone and among others.
  @Test func companyChangesNothing() async throws {
    let server = try await TestServer.start()
    let stored = try await server.post(
      "/collections/default/documents",
      .array(ScriptedServer.documents.map { ["id": .string($0.id), "text": .string($0.text)] }))
    #expect(stored.status == 200)
    for chain in ["rag_token", "rag_sequence"] {
      let request: JSONObject = [
        "messages": [question], "temperature": 0.8, "seed": 3, "max_tokens": 12,
        "retrieval": ["chain": .string(chain), "top_k": 3],
      ]
      let alone = try await server.post("/chat", .object(request)).content
      let answers = try await withThrowingTaskGroup(of: String?.self) { group in
        for _ in 0..<3 {
          group.addTask { try await server.post("/chat", .object(request)).content }
        }
        return try await group.reduce(into: [String?]()) { $0.append($1) }
      }
      #expect(answers.allSatisfy { $0 == alone } && alone != nil)
    }
    await server.server.stop()
  }
}

struct PassageWeightTests {
  @Test func weightsAreASoftmaxOfSimilarities() {
    let passages = [0.8, 0.7, 0.75].enumerated().map { index, dense in
      NumberedPassage(
        number: index + 1, result: index,
        chunk: .init(
          id: "\(index)", documentID: "d", text: "t", score: 1,
          scores: .init(dense: dense), start: 0, end: 1, metadata: [:]),
        text: "t")
    }
    let mixture = PromptMixture(
      others: [[1], [2]], logWeights: PassageMixture.logWeights(passages, 0.05))
    // softmax([16, 14, 15])
    let expected = [-0.40760596, -2.40760596, -1.40760596]
    for (weight, expected) in zip(mixture.logWeights, expected) {
      #expect(abs(weight - expected) < 1e-7)
    }
    #expect(PassageMixture.logWeights(passages, 1e-300).allSatisfy { $0.isFinite })
  }
}
