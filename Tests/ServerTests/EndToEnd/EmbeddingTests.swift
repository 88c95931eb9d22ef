import Foundation
import JSON
import Testing

@testable import Server

@Suite(.enabled(if: TestServer.hasEmbeddingModel))
struct EmbeddingTests {
  @Test(arguments: Door.allCases)
  func floatAndBase64AreTheSameUnitVectors(door: Door) async throws {
    let server = try await TestServer.shared.value
    let input: JSONValue = ["A cat sits on the mat.", "今天天气很好。", "😀"]
    for path in ["/v1/embeddings", "/embeddings"] {
      let floats = try await server.post(path, ["input": input], through: door).json
      let base64 = try await server.post(
        path, ["input": input, "encoding_format": "base64"], through: door
      ).json
      #expect(floats["model"] == "all-MiniLM-L6-v2")
      #expect(floats["usage"] == base64["usage"])
      for index in 0..<3 {
        let numbers = (floats["data"]?[index]?["embedding"]?.array ?? []).compactMap(\.double)
        #expect(numbers.count == 384)
        let text = try #require(base64["data"]?[index]?["embedding"]?.string)
        #expect(try decode(text) == numbers.map { Float($0) })
        #expect(abs(numbers.reduce(0) { $0 + $1 * $1 } - 1) < 1e-5)
        #expect(floats["data"]?[index]?["index"]?.int == index)
      }
    }
  }

  @Test func overlongTextIsCutAtTheModelsLimit() async throws {
    let server = try await TestServer.shared.value
    let long = Array(repeating: "word", count: 2000).joined(separator: " ")
    let answer = try await server.post("/v1/embeddings", ["input": .string(long)])
    #expect(answer.json["usage"]?["prompt_tokens"]?.int == 256)
  }

  @Test func fewerDimensionsStayUnitVectors() async throws {
    let server = try await TestServer.shared.value
    let answer = try await server.post("/v1/embeddings", ["input": "hello", "dimensions": 100])
    let numbers = (answer.json["data"]?[0]?["embedding"]?.array ?? []).compactMap(\.double)
    #expect(numbers.count == 100)
    #expect(abs(numbers.reduce(0) { $0 + $1 * $1 } - 1) < 1e-5)
  }

  @Test func promptsGoInFrontOfTexts() async throws {
    let server = try await TestServer.shared.value
    func data(_ body: JSONValue) async throws -> JSONValue? {
      try await server.post("/v1/embeddings", body).json["data"]
    }
    let whole = try await data(["input": "query: hello"])
    #expect(try await data(["input": "hello", "prompt": "query: "]) == whole)
    // MiniLM's author has no prompt for queries.
    #expect(
      try await data(["input": "hello", "prompt_name": "query"]) == data(["input": "hello"]))
  }

  @Test func tokensGiveTheVectorOfTheirText() async throws {
    let server = try await TestServer.shared.value
    let tokens = try await server.post(
      "/tokenize", ["model": "all-MiniLM-L6-v2", "prompt": "hello world"]
    ).json["tokens"]
    let byTokens = try await server.post("/v1/embeddings", ["input": try #require(tokens)])
    let byText = try await server.post("/v1/embeddings", ["input": "hello world"])
    #expect(byTokens.json["data"] == byText.json["data"])
  }

  @Test(arguments: [
    #"{"input": ""}"#, #"{"input": ["a", ""]}"#, #"{"input": []}"#, #"{"input": 5}"#, #"{}"#,
    #"{"input": "a", "encoding_format": "hex"}"#, #"{"input": "a", "dimensions": 0}"#,
    #"{"input": "a", "dimensions": 385}"#, #"{"input": [-1]}"#, #"{"input": [99999999]}"#,
    #"{"input": [[]]}"#, #"{"input": "a", "model": "default"}"#,
    #"{"input": "a", "prompt_name": "none"}"#, #"{"input": [5], "prompt_name": "query"}"#,
    #"{"input": "a", "prompt": "p ", "prompt_name": "query"}"#, #"{"input": "a", "prompt": 5}"#,
  ])
  func badInputIsRefused(body: String) async throws {
    let server = try await TestServer.shared.value
    let answer = try await server.send(.post, "/v1/embeddings", bytes: Array(body.utf8))
    #expect(answer.status == 400, "\(body): \(answer.text)")
    #expect(answer.errorMessage.count > 10)
  }

  private func decode(_ base64: String) throws -> [Float] {
    let data = try #require(Data(base64Encoded: base64))
    return stride(from: 0, to: data.count, by: 4).map { offset in
      let bits = (0..<4).reduce(UInt32(0)) { $0 | UInt32(data[offset + $1]) << (8 * UInt32($1)) }
      return Float(bitPattern: bits)
    }
  }
}
