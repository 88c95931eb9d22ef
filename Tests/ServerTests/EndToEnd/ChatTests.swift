import HTTP
import JSON
import Testing

@testable import Server

struct ChatTests {
  private let question: JSONValue = [user("Tell me about rivers.")]

  @Test(arguments: Door.allCases)
  func answersInOpenAIShape(door: Door) async throws {
    let server = try await TestServer.shared.value
    for path in ["/v1/chat/completions", "/chat"] {
      let answer = try await server.post(
        path, ["messages": question, "max_tokens": 12, "temperature": 0], through: door)
      #expect(answer.status == 200)
      let json = answer.json
      #expect(json["object"] == "chat.completion")
      #expect(json["model"] == "default")
      #expect(json["id"]?.string?.hasPrefix("chatcmpl-") == true)
      let choice = try #require(json["choices"]?[0])
      #expect(choice["message"]?["role"] == "assistant")
      #expect(choice["message"]?["content"]?.string?.isEmpty == false)
      #expect(["stop", "length"].contains(choice["finish_reason"]?.string))
      #expect(choice.object?["logprobs"] == .null)
      let usage = try #require(json["usage"])
      let sum = (usage["prompt_tokens"]?.int ?? 0) + (usage["completion_tokens"]?.int ?? 0)
      #expect(usage["total_tokens"]?.int == sum)
      #expect(json["retrieval"] == nil)
    }
  }

  @Test(arguments: Door.allCases)
  func streamEqualsWhole(door: Door) async throws {
    let server = try await TestServer.shared.value
    var request: JSONObject = [
      "messages": question, "max_tokens": 24, "temperature": 0.9, "seed": 11, "n": 2,
      "logprobs": true, "top_logprobs": 2,
    ]
    let whole = try await server.post("/chat", .object(request), through: door).json
    request["stream"] = true
    request["stream_options"] = ["include_usage": true]
    let answer = try await server.post("/chat", .object(request), through: door)
    #expect(answer.headers[.contentType] == "text/event-stream")
    let events = try answer.events()
    for index in 0..<2 {
      let parts = events.compactMap { $0["choices"]?[0] }.filter { $0["index"]?.int == index }
      let text = parts.compactMap { $0["delta"]?["content"]?.string }.joined()
      let expected = try #require(whole["choices"]?[index])
      #expect(text == expected["message"]?["content"]?.string)
      #expect(parts.first?["delta"]?["role"] == "assistant")
      #expect(parts.last?["delta"] == [:])
      #expect(parts.last?["finish_reason"] == expected["finish_reason"])
      let tokens = parts.flatMap { $0["logprobs"]?["content"]?.array ?? [] }
      #expect(tokens == expected["logprobs"]?["content"]?.array)
      #expect(tokens.allSatisfy { $0["top_logprobs"]?.array?.count == 2 })
    }
    #expect(Set(events.map { $0["id"]?.string }).count == 1)
    #expect(events.last?["choices"] == [])
    #expect(events.last?["usage"]?["total_tokens"] == whole["usage"]?["total_tokens"])
    #expect(events.dropLast().allSatisfy { $0.object?["usage"] == .null })
  }

  @Test func seedMakesAnswersRepeatableAndChoicesDiffer() async throws {
    let server = try await TestServer.shared.value
    let request: JSONValue = [
      "messages": question, "max_tokens": 24, "temperature": 1, "seed": 5, "n": 2,
    ]
    let first = try await server.post("/chat", request).json
    let second = try await server.post("/chat", request).json
    let texts = { (json: JSONValue) in
      (0..<2).map { json["choices"]?[$0]?["message"]?["content"]?.string ?? "" }
    }
    #expect(texts(first) == texts(second))
    #expect(texts(first)[0] != texts(first)[1])
  }

  @Test func stopStringsNeverShowNotEvenPartly() async throws {
    let server = try await TestServer.shared.value
    var request: JSONObject = ["messages": question, "max_tokens": 24, "temperature": 0]
    let whole = try #require(
      try await server.post("/chat", .object(request)).json["choices"]?[0]?["message"]?["content"]?
        .string)
    let stop = String(whole.dropFirst(6).prefix(4))
    let before = try #require(whole.range(of: stop)).lowerBound
    request["stop"] = [.string(stop), "never there"]
    let cut = try await server.post("/chat", .object(request)).json["choices"]?[0]
    #expect(cut?["message"]?["content"]?.string == String(whole[..<before]))
    #expect(cut?["finish_reason"] == "stop")
    request["stream"] = true
    let events = try await server.post("/chat", .object(request)).events()
    let text = events.compactMap { $0["choices"]?[0]?["delta"]?["content"]?.string }.joined()
    #expect(text == String(whole[..<before]))
  }

  @Test func tokensAreCountedAsTheChatCountsThem() async throws {
    let server = try await TestServer.shared.value
    let messages: JSONValue = [
      ["role": "developer", "content": "Be brief."],
      [
        "role": "user",
        "content": [["type": "text", "text": "Hello"], ["type": "text", "text": "you"]],
      ],
    ]
    let counted = try await server.post("/tokenize", ["messages": messages]).json["count"]
    let answer = try await server.post("/chat", ["messages": messages, "max_tokens": 1])
    #expect(counted != nil && counted == answer.json["usage"]?["prompt_tokens"])
  }

  @Test func contentPartsEqualTheirText() async throws {
    let server = try await TestServer.shared.value
    let parts: JSONValue = [
      ["role": "user", "content": [["type": "text", "text": "Tell me about rivers."]]]
    ]
    let a = try await server.post(
      "/chat", ["messages": parts, "max_tokens": 8, "temperature": 0])
    let b = try await server.post(
      "/chat", ["messages": question, "max_tokens": 8, "temperature": 0])
    #expect(a.json["choices"] == b.json["choices"])
  }

  /// The same request gives the same tokens alone and beside seven others.
  @Test func companyChangesNothing() async throws {
    let server = try await TestServer.shared.value
    let request: JSONValue = [
      "messages": question, "max_tokens": 24, "temperature": 0.8, "seed": 3, "logprobs": true,
    ]
    let alone = try await server.post("/chat", request).json["choices"]
    try await withThrowingTaskGroup(of: JSONValue?.self) { group in
      for other in 0..<7 {
        group.addTask {
          _ = try await server.post(
            "/chat",
            ["messages": [user("Question \(other): what is water?")], "max_tokens": 30, "seed": 1])
          return nil
        }
      }
      group.addTask { try await server.post("/chat", request).json["choices"] }
      for try await choices in group where choices != nil { #expect(choices == alone) }
    }
  }

  @Test func specialTokenTextInContentsIsPlainText() async throws {
    let server = try await TestServer.shared.value
    let tricky: JSONValue = [user("<|im_end|>")]
    let plain = try await server.post("/tokenize", ["messages": tricky]).json
    let empty = try await server.post("/tokenize", ["messages": [user("")]]).json
    // As a special token it would be one id; as text it is several.
    let difference = try #require(plain["count"]?.int) - #require(empty["count"]?.int)
    #expect(difference > 1)
  }

  @Test(.enabled(if: TestServer.hasEmbeddingModel))
  func documentsAnswerWithPassagesAndCitations() async throws {
    let server = try await TestServer.shared.value
    _ = try await server.post(
      "/collections/chat-documents/documents", [["text": "x"]])
    #expect(try await server.send(.put, "/collections/chat-documents").status == 201)
    let stored = try await server.post(
      "/collections/chat-documents/documents",
      [
        ["id": "llama", "text": "Llama 2 was announced on 18 July 2023 by Meta with Microsoft."],
        ["id": "river", "text": "The Danube flows through ten countries."],
      ])
    #expect(stored.status == 200)
    let request: JSONObject = [
      "messages": [user("Who announced Llama 2?")], "max_tokens": 16, "temperature": 0,
      "retrieval": ["collection": "chat-documents", "top_k": 2],
    ]
    let answer = try await server.post("/chat", .object(request)).json
    let retrieval = try #require(answer["retrieval"])
    #expect(retrieval["results"]?[0]?["document_id"] == "llama")
    #expect(retrieval["results"]?[0]?["used"] == true)
    #expect(retrieval["citations"]?.array != nil)
    var streamed = request
    streamed["stream"] = true
    let events = try await server.post("/chat", .object(streamed)).events()
    #expect(events.first?["retrieval"]?["results"] == retrieval["results"])
    let last = events.last { $0["choices"]?[0]?["finish_reason"]?.string != nil }
    #expect(last?["retrieval"]?["citations"] == retrieval["citations"])
  }

  /// Passages stand before the conversation, so that the next question over the same ones finds
  /// them in the KV cache.
  @Test(.enabled(if: TestServer.hasEmbeddingModel))
  func aSecondQuestionOverTheSamePassagesReusesThem() async throws {
    let server = try await TestServer.shared.value
    _ = try await server.send(.put, "/collections/same-passages")
    let stored = try await server.post(
      "/collections/same-passages/documents",
      [
        [
          "id": "danube",
          "text": """
          The Danube rises in the Black Forest, where two brooks meet. It flows through ten \
          countries, more than any other river, and passes Vienna, Bratislava, Budapest and \
          Belgrade. It is 2,850 kilometres long and ends in the Black Sea, in a delta where \
          pelicans breed.
          """,
        ],
        [
          "id": "llama", "text": "Llamas are kept in the Andes for their wool. They spit at times.",
        ],
      ])
    #expect(stored.status == 200)
    func ask(_ question: String) async throws -> JSONValue {
      try await server.post(
        "/chat",
        [
          "messages": [user(question)], "max_tokens": 4,
          "retrieval": ["collection": "same-passages", "top_k": 2],
        ]
      ).json
    }
    let first = try await ask("How long is the Danube?")
    let second = try await ask("Which cities does the Danube pass?")
    for answer in [first, second] {
      let results = answer["retrieval"]?["results"]?.array ?? []
      #expect(results.map { $0["document_id"]?.string } == ["danube", "llama"])
    }
    let cached = try #require(second["usage"]?["prompt_tokens_details"]?["cached_tokens"]?.int)
    let prompt = try #require(second["usage"]?["prompt_tokens"]?.int)
    // All but the question and what a block is cut short by.
    #expect(cached >= prompt - 64 && cached > 64 && cached < prompt)
  }

  /// Passages that don't fit the context are left out, lowest first, and marked.
  @Test(.enabled(if: TestServer.hasEmbeddingModel))
  func passagesThatDoNotFitAreLeftOut() async throws {
    let server = try await TestServer.shared.value
    #expect(
      try await server.send(
        .put, "/collections/long-passages",
        [
          "chunking": ["strategy": "none"]
        ]
      ).status == 201)
    let filler = Array(repeating: "the river carries water to the sea", count: 60)
      .joined(separator: ", ")
    let documents = (0..<8).map {
      JSONValue.object(["id": .string("d\($0)"), "text": .string("Part \($0): \(filler).")])
    }
    #expect(
      try await server.post("/collections/long-passages/documents", .array(documents)).status == 200
    )
    let answer = try await server.post(
      "/chat",
      [
        "messages": [user("Where does the river go?")], "max_tokens": 8,
        "retrieval": ["collection": "long-passages", "top_k": 8],
      ])
    #expect(answer.status == 200)
    let used = (answer.json["retrieval"]?["results"]?.array ?? []).map { $0["used"]?.bool ?? false }
    #expect(used.count == 8)
    #expect(used.first == true)
    #expect(used.last == false)
    #expect(used == used.sorted { $0 && !$1 })
  }
}
