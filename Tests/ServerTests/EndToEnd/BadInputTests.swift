import Foundation
import HTTPTypes
import JSON
import Testing

@testable import Server

struct BadInputTests {
  private static let hello = #""messages": [{"role": "user", "content": "hi"}]"#

  /// Status, parameter or part of the message, and never a crash.
  @Test(arguments: [
    ("", "empty"), ("{", "position"), ("[]", "object"), ("null", "object"), ("{}", "messages"),
    (#"{"messages": []}"#, "messages"), (#"{"messages": "hi"}"#, "messages"),
    (#"{"messages": [{"role": "wizard", "content": "hi"}]}"#, "role"),
    (#"{"messages": [{"content": "hi"}]}"#, "role"),
    (#"{"messages": [{"role": "user", "content": 5}]}"#, "content"),
    (#"{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}"#, "image_url"),
    (#"{"messages": [{"role": "user", "content": [{"type": "text"}]}]}"#, "content[0].text must"),
    ("{\(hello), \"temperature\": \"hot\"}", "temperature"),
    ("{\(hello), \"temperature\": -1}", "temperature"),
    ("{\(hello), \"temperature\": 1e999}", "number"),
    ("{\(hello), \"top_p\": 2}", "top_p"), ("{\(hello), \"top_k\": -5}", "top_k"),
    ("{\(hello), \"min_p\": -0.1}", "min_p"),
    ("{\(hello), \"repetition_penalty\": 0}", "repetition_penalty"),
    ("{\(hello), \"max_tokens\": 0}", "max_tokens"),
    ("{\(hello), \"max_tokens\": 99999999999999999999}", "max_tokens"),
    ("{\(hello), \"n\": 1000}", "n"),
    ("{\(hello), \"stop\": [\"a\",\"b\",\"c\",\"d\",\"e\"]}", "stop"),
    ("{\(hello), \"stop\": \"\"}", "stop"), ("{\(hello), \"stop\": 5}", "stop"),
    ("{\(hello), \"logit_bias\": {\"x\": 1}}", "logit_bias"),
    ("{\(hello), \"logit_bias\": {\"999999999\": 1}}", "logit_bias"),
    ("{\(hello), \"stop_token_ids\": [-4]}", "stop_token_ids"),
    ("{\(hello), \"logprobs\": true, \"top_logprobs\": 21}", "top_logprobs"),
    ("{\(hello), \"top_logprobs\": 2}", "top_logprobs"),
    ("{\(hello), \"tools\": [{\"type\": \"function\"}]}", "tools"),
    ("{\(hello), \"response_format\": {\"type\": \"json_object\"}}", "response_format"),
    ("{\(hello), \"retrieval\": 5}", "retrieval"),
    ("{\(hello), \"retrieval\": {\"top_k\": -1}}", "top_k"),
    ("{\"messages\": [{\"role\": \"user\", \"content\": \"\\ud800\"}]}", "surrogate"),
  ])
  func badChatRequestsAreRefused(body: String, mention: String) async throws {
    let server = try await TestServer.shared.value
    let answer = try await server.send(.post, "/v1/chat/completions", bytes: Array(body.utf8))
    #expect(answer.status == 400, "\(body): \(answer.text)")
    let error = try #require(answer.json["error"]?.object)
    #expect(Array(error.keys) == ["message", "type", "param", "code"])
    let said = (answer.errorMessage + (error["param"]?.string ?? "")).lowercased()
    if mention == "position" {
      #expect(said.contains("line 1"))
    } else {
      #expect(said.contains(mention), "\(answer.text)")
    }
  }

  @Test(arguments: [
    (#""temperature": "hot""#, "temperature"), (#""n": 1.5"#, "n"), (#""stop": [1]"#, "stop[0]"),
    (#""logit_bias": {"5": "x"}"#, "logit_bias.5"),
    (#""stream_options": {"include_usage": 1}"#, "stream_options.include_usage"),
    (#""retrieval": {"topk": 3}"#, "retrieval.topk"),
    (#""retrieval": {"chunking": {}}"#, "retrieval.chunking"),
  ])
  func whatIsWrongIsNamed(field: String, param: String) async throws {
    let server = try await TestServer.shared.value
    let answer = try await server.send(
      .post, "/v1/chat/completions", bytes: Array("{\(Self.hello), \(field)}".utf8))
    #expect(answer.status == 400)
    #expect(answer.json["error"]?["param"]?.string == param, "\(answer.text)")
  }

  /// Passages go into messages; a plain completion has none.
  @Test func completionsWithoutMessagesTakeNoRetrieval() async throws {
    let server = try await TestServer.shared.value
    let answer = try await server.post(
      "/v1/completions", ["prompt": "a", "max_tokens": 1, "retrieval": [:]])
    #expect(answer.status == 400 && answer.json["error"]?["param"] == "retrieval", "\(answer.text)")
  }

  @Test func invalidUTF8IsRefused() async throws {
    let server = try await TestServer.shared.value
    let bytes = Array(#"{"prompt": ""#.utf8) + [0xC3, 0x28] + Array(#""}"#.utf8)
    let answer = try await server.send(.post, "/v1/completions", bytes: bytes)
    #expect(answer.status == 400)
    #expect(answer.errorCode == "invalid_json")
  }

  @Test func overlongPromptsNameTheCounts() async throws {
    let server = try await TestServer.shared.value
    let long = Array(repeating: "word", count: 9000).joined(separator: " ")
    let answer = try await server.post("/chat", ["messages": [user(long)]])
    #expect(answer.status == 400)
    #expect(answer.errorCode == "context_length_exceeded")
    let limit = try #require(server.server.application.state.chat?.contextLength)
    #expect(answer.errorMessage.contains("\(limit) tokens"))
    let tokens = try await server.post("/tokenize", ["messages": [user(long)]]).json["count"]?.int
    #expect(answer.errorMessage.contains("\(try #require(tokens)) tokens"))
  }

  @Test(arguments: ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"])
  func unknownModelsAreNotFound(path: String) async throws {
    let server = try await TestServer.shared.value
    let answer = try await server.post(
      path, ["model": "gpt-9", "prompt": "a", "input": "a", "messages": [user("a")]])
    #expect(answer.status == 404)
    #expect(answer.errorCode == "model_not_found")
    #expect(answer.errorMessage.contains("default"))
  }

  @Test(arguments: Door.allCases)
  func unknownRoutesAndMethodsAreJSONToo(door: Door) async throws {
    let server = try await TestServer.shared.value
    let missing = try await server.get("/v1/nothing", through: door)
    #expect(missing.status == 404)
    #expect(missing.json["error"]?["message"]?.string != nil)
    let wrong = try await server.send(.delete, "/v1/models", through: door)
    #expect(wrong.status == 405)
    #expect(wrong.headers[.allow] == "GET, HEAD")
  }

  @Test func oversizedBodiesAreRefused() async throws {
    let server = try await TestServer.start {
      $0.maxBody = 1
      $0.model = "none"
    }
    let answer = try await server.send(
      .post, "/v1/embeddings", bytes: [UInt8](repeating: 0x20, count: (1 << 20) + 1))
    #expect(answer.status == 413)
    #expect(answer.json["error"]?["code"] == "request_too_large")
    await server.server.stop()
  }

  /// Random bytes and mutated requests: any status below 500, and the server lives on.
  @Test func mutatedRequestsNeverBreakTheServer() async throws {
    let server = try await TestServer.shared.value
    var random = SeededGenerator(seed: 20)
    let valid = Array(
      #"{"model":"default","messages":[{"role":"user","content":"hi"}],"max_tokens":2,"stop":["x"],"n":1,"logit_bias":{"5":1.5},"seed":3,"retrieval":null}"#
        .utf8)
    for _ in 0..<200 {
      var bytes = valid
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let place = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.remove(at: place)
        default: bytes.insert(UInt8.random(in: 0x20...0x7e, using: &random), at: place)
        }
      }
      let answer = try await server.send(.post, "/chat", bytes: bytes, through: .router)
      #expect(answer.status < 500, "\(String(decoding: bytes, as: UTF8.self)): \(answer.text)")
    }
  }
}

/// SplitMix64: the same numbers on every run.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
