import JSON
import Testing

@testable import Server

struct CompletionTests {
  @Test(arguments: Door.allCases)
  func continuesPromptsOfEveryForm(door: Door) async throws {
    let server = try await TestServer.shared.value
    let text: JSONValue = "Water is"
    let tokens = try await server.post("/tokenize", ["prompt": text], through: door).json["tokens"]
    let ids = try #require(tokens)
    var texts: [String?] = []
    for prompt in [text, [text], ids, [ids]] as [JSONValue] {
      let answer = try await server.post(
        "/v1/completions", ["prompt": prompt, "max_tokens": 6, "temperature": 0], through: door)
      #expect(answer.status == 200)
      texts.append(answer.json["choices"]?[0]?["text"]?.string)
    }
    #expect(Set(texts).count == 1)
    let both = try await server.post(
      "/v1/completions", ["prompt": ["Water is", "The sun"], "max_tokens": 3, "n": 2], through: door
    )
    #expect(both.json["choices"]?.array?.map { $0["index"]?.int } == [0, 1, 2, 3])
  }

  @Test func logprobsAlignWithTheText() async throws {
    let server = try await TestServer.shared.value
    let answer = try await server.post(
      "/v1/completions",
      [
        "prompt": "Rivers carry", "max_tokens": 8, "temperature": 0, "logprobs": 3, "echo": true,
      ])
    let choice = try #require(answer.json["choices"]?[0])
    let text = try #require(choice["text"]?.string)
    #expect(text.hasPrefix("Rivers carry"))
    let logprobs = try #require(choice["logprobs"])
    let tokens = (logprobs["tokens"]?.array ?? []).compactMap(\.string)
    let offsets = (logprobs["text_offset"]?.array ?? []).compactMap(\.int)
    #expect(tokens.count == offsets.count)
    #expect(tokens.joined() == text)
    #expect(logprobs["token_logprobs"]?[0] == .null)
    #expect(
      (logprobs["token_logprobs"]?.array ?? []).dropFirst().allSatisfy { ($0.double ?? 1) <= 0 })
    let scalars = Array(text.unicodeScalars)
    for (token, offset) in zip(tokens, offsets) {
      #expect(scalars[offset...].starts(with: token.unicodeScalars))
    }
    let top = try #require(logprobs["top_logprobs"]?.array?.last?.object)
    #expect((1...3).contains(top.count))
  }

  @Test func streamEqualsWhole() async throws {
    let server = try await TestServer.shared.value
    var request: JSONObject = [
      "prompt": "Once upon a time", "max_tokens": 12, "seed": 2, "echo": true, "logprobs": 1,
    ]
    let whole = try await server.post("/v1/completions", .object(request)).json
    request["stream"] = true
    let events = try await server.post("/v1/completions", .object(request)).events()
    let parts = events.compactMap { $0["choices"]?[0] }
    #expect(
      parts.compactMap { $0["text"]?.string }.joined() == whole["choices"]?[0]?["text"]?.string)
    let tokens = parts.flatMap { $0["logprobs"]?["tokens"]?.array ?? [] }
    #expect(tokens == whole["choices"]?[0]?["logprobs"]?["tokens"]?.array)
    #expect(events.allSatisfy { $0.object?["usage"] == nil })
  }

  /// Choices that take the prompt over from the first one are no hits of the request's own.
  @Test func cachedTokensAreThoseFromBeforeTheRequest() async throws {
    let server = try await TestServer.shared.value
    let prompts = [1_000, 2_000].map { first in
      JSONValue.array((0..<80).map { .integer(Int64(first + $0 * 7)) })
    }
    for expected in [0, 128] {
      let answer = try await server.post(
        "/v1/completions", ["prompt": .array(prompts), "n": 3, "max_tokens": 2])
      let usage = try #require(answer.json["usage"])
      #expect(usage["prompt_tokens"] == 160)
      #expect(usage["prompt_tokens_details"]?["cached_tokens"]?.int == expected)
    }
  }

  /// How evaluation harnesses score texts.
  @Test func noTokensAtAllScoreThePrompt() async throws {
    let server = try await TestServer.shared.value
    var body: JSONObject = ["prompt": "Water is wet", "logprobs": 0, "echo": true, "max_tokens": 0]
    let scored = try await server.post("/v1/completions", .object(body)).json
    body["max_tokens"] = 1
    let longer = try await server.post("/v1/completions", .object(body)).json
    let choice = try #require(scored["choices"]?.array?.first)
    #expect(choice["text"] == "Water is wet" && choice["finish_reason"] == "length")
    let logprobs = try #require(choice["logprobs"]?["token_logprobs"]?.array)
    let more = longer["choices"]?.array?.first?["logprobs"]?["token_logprobs"]?.array ?? []
    #expect(logprobs.count > 2 && logprobs == Array(more.dropLast()))
    #expect(scored["usage"]?["completion_tokens"] == 0)
    let chat = try await server.post("/chat", ["messages": [user("a")], "max_tokens": 0])
    #expect(chat.status == 400)
  }

  /// What no waiting helps is the request's fault, and comes without an invitation to try again.
  @Test func moreChoicesThanThereIsRoomForAreRefused() async throws {
    let server = try await TestServer.shared.value
    let body: JSONValue = ["prompt": .array(Array(repeating: "a", count: 64)), "n": 16]
    let answer = try await server.post("/v1/completions", body)
    #expect(answer.status == 400)
    #expect(answer.json["error"]?["param"] == "prompt" && answer.headers[.retryAfter] == nil)
    #expect(answer.errorMessage.contains("1024") && answer.errorMessage.contains("--max-queue"))
  }

  @Test func maxTokensDefaultsToSixteen() async throws {
    let server = try await TestServer.shared.value
    let answer = try await server.post(
      "/v1/completions", ["prompt": "One two three", "ignore_eos": true])
    #expect(answer.json["usage"]?["completion_tokens"]?.int == 16)
    #expect(answer.json["choices"]?[0]?["finish_reason"] == "length")
  }
}
