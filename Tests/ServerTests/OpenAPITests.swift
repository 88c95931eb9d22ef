import HTTP
import JSON
import Testing
import Yams

@testable import Server

/// `openapi.yaml` is the reference: what it describes exists, what exists is described.
struct OpenAPITests {
  private let document: Node

  init() throws {
    let text = try String(contentsOf: Repository.file("openapi.yaml"), encoding: .utf8)
    document = try #require(try Yams.compose(yaml: text))
  }

  @Test func routesAndDescriptionAgree() throws {
    var described: Set<String> = []
    for (path, item) in try #require(document["paths"]?.mapping) {
      for (method, _) in try #require(item.mapping) where method.string != "parameters" {
        described.insert("\(try #require(method.string).uppercased()) \(try #require(path.string))")
      }
    }
    let application = Application(local: ServerConfiguration())
    let existing = Set(application.router.routes.map { "\($0.method.rawValue) \($0.pattern)" })
    #expect(existing.subtracting(described) == [])
    #expect(described.subtracting(existing) == [])
  }

  /// Every field of a real answer is in its schema, with the type it says.
  @Test(.enabled(if: TestServer.hasEmbeddingModel))
  func answersHaveTheFieldsDescribed() async throws {
    let server = try await TestServer.shared.value
    _ = try await server.send(.put, "/collections/described")
    let stored = try await server.post(
      "/collections/described/documents", [["id": "a", "text": "Tea.", "metadata": ["k": "tea"]]])
    let retrieve: JSONObject = [
      "query": "tea", "collection": "described", "explain": true, "boosts": ["k": 1], "expand": [:],
      "mmr": [:],
    ]
    let chat: JSONObject = [
      "messages": [user("What is tea?")], "max_tokens": 3, "logprobs": true, "top_logprobs": 1,
      "retrieval": ["collection": "described"],
    ]
    let answers: [(schema: String, answer: Answer)] = [
      ("Health", try await server.get("/health")),
      ("ModelList", try await server.get("/v1/models")),
      ("ChatCompletion", try await server.post("/chat", .object(chat))),
      ("Completion", try await server.post("/v1/completions", ["prompt": "a", "logprobs": 0])),
      ("EmbeddingResponse", try await server.post("/embeddings", ["input": "a"])),
      ("RetrieveResponse", try await server.post("/retrieve", .object(retrieve))),
      ("TokenizeResponse", try await server.post("/tokenize", ["prompt": "a"])),
      ("DetokenizeResponse", try await server.post("/detokenize", ["tokens": [5]])),
      ("IngestReport", stored),
      ("Collection", try await server.get("/collections/described")),
      ("CollectionList", try await server.get("/collections")),
      ("Document", try await server.get("/collections/described/documents/a")),
      ("DocumentList", try await server.get("/collections/described/documents")),
      (
        "Job",
        try await server.post("/collections/described/documents?wait=false", [["text": "A job."]])
      ),
      ("JobList", try await server.get("/jobs")),
      ("Error", try await server.get("/v1/models/nothing")),
    ]
    for (name, answer) in answers {
      let schema = try #require(document["components"]?["schemas"]?[name])
      for problem in problems(answer.json, schema, path: name) { Issue.record("\(problem)") }
    }
  }

  // MARK: - The part of JSON Schema that the description uses

  private func problems(_ value: JSONValue, _ schema: Node, path: String) -> [String] {
    let parts = alternatives(schema)
    if let choices = parts.first(where: { $0["oneOf"] != nil })?["oneOf"]?.sequence {
      let attempts = choices.map { problems(value, $0, path: path) }
      return attempts.min { $0.count < $1.count } ?? []
    }
    let types = parts.flatMap { typeNames($0) }
    if !types.isEmpty, !types.contains(where: { matches(value, $0) }) {
      return ["\(path) is \(value), described as \(types.joined(separator: " or "))"]
    }
    switch value {
    case .object(let members):
      let properties = parts.compactMap { $0["properties"] }
      // An object without described properties may hold anything (metadata).
      guard !properties.isEmpty else { return [] }
      return members.flatMap { key, member -> [String] in
        guard let known = properties.compactMap({ $0[key] }).first else {
          return ["\(path).\(key) is not described"]
        }
        return problems(member, known, path: "\(path).\(key)")
      }
    case .array(let elements):
      guard let items = parts.compactMap({ $0["items"] }).first else { return [] }
      return elements.enumerated().flatMap { problems($1, items, path: "\(path)[\($0)]") }
    default: return []
    }
  }

  /// The schema itself, what it refers to, and all it is made of.
  private func alternatives(_ schema: Node) -> [Node] {
    if let reference = schema["$ref"]?.string {
      let place = reference.split(separator: "/").dropFirst().reduce(Node?.some(document)) {
        $0?[String($1)]
      }
      return place.map(alternatives) ?? []
    }
    if let all = schema["allOf"]?.sequence { return all.flatMap(alternatives) }
    return [schema]
  }

  private func typeNames(_ schema: Node) -> [String] {
    guard let type = schema["type"] else { return [] }
    return type.sequence?.compactMap(\.string) ?? type.string.map { [$0] } ?? []
  }

  private func matches(_ value: JSONValue, _ type: String) -> Bool {
    switch type {
    case "object": value.object != nil
    case "array": value.array != nil
    case "string": value.string != nil
    case "integer": value.int != nil
    case "number": value.double != nil
    case "boolean": value.bool != nil
    case "null": value.isNull
    default: false
    }
  }
}
