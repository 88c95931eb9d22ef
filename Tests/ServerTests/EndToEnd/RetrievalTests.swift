import HTTPTypes
import JSON
import Testing

@testable import Server

@Suite(.enabled(if: TestServer.hasEmbeddingModel))
struct RetrievalTests {
  private static let documents: JSONValue = [
    [
      "id": "llama", "text": "Llama 2 was announced on 18 July 2023 by Meta with Microsoft.",
      "metadata": ["topic": "models", "year": 2023],
    ],
    [
      "id": "river", "text": "The Danube flows through ten countries to the Black Sea.",
      "metadata": ["topic": "geography", "year": 1990],
    ],
    [
      "id": "zh", "text": "大语言模型可以回答问题。向量检索按意思查找段落。😀 End.",
      "metadata": ["topic": "models"],
    ],
  ]

  private func collection(_ name: String) async throws -> TestServer {
    let server = try await TestServer.shared.value
    #expect(try await server.send(.put, "/collections/\(name)").status == 201)
    let stored = try await server.post("/collections/\(name)/documents", Self.documents)
    #expect(stored.status == 200)
    #expect(stored.json["documents"]?.int == 3)
    return server
  }

  @Test(arguments: Door.allCases)
  func everyModeFindsTheRightDocument(door: Door) async throws {
    let name = "modes-\(door.rawValue)"
    let server = try await collection(name)
    for mode in ["dense", "sparse", "hybrid"] {
      for (query, expected) in [("Who announced Llama 2?", "llama"), ("模型", "zh")] {
        // The English model can't read Chinese: that is what the sparse side is for.
        if mode == "dense", expected == "zh" { continue }
        let answer = try await server.post(
          "/retrieve",
          [
            "query": .string(query), "collection": .string(name), "mode": .string(mode), "top_k": 2,
          ],
          through: door)
        #expect(answer.status == 200)
        let first = try #require(answer.json["results"]?[0])
        #expect(first["document_id"]?.string == expected, "\(mode): \(query)")
        #expect(first["scores"]?.object != nil)
      }
    }
  }

  @Test func offsetsCutTheTextOutOfTheDocument() async throws {
    let server = try await collection("offsets")
    let answer = try await server.post(
      "/retrieve", ["query": "检索", "collection": "offsets", "mode": "sparse"])
    let result = try #require(answer.json["results"]?[0])
    let document = try await server.get("/collections/offsets/documents/zh").json
    let scalars = Array(try #require(document["text"]?.string).unicodeScalars)
    let (start, end) = (try #require(result["start"]?.int), try #require(result["end"]?.int))
    let cut = String(String.UnicodeScalarView(scalars[start..<end]))
    #expect(cut == result["text"]?.string)
    #expect(cut.contains("😀"))
  }

  @Test func severalQueriesGiveOneListEach() async throws {
    let server = try await collection("several")
    let queries: JSONValue = ["Who announced Llama 2?", "Where does the Danube flow?"]
    let answer = try await server.post(
      "/v1/retrieve", ["queries": queries, "collection": "several", "top_k": 1])
    let lists = try #require(answer.json["results"]?.array)
    #expect(lists.map { $0[0]?["document_id"]?.string } == ["llama", "river"])
  }

  @Test func filtersAndUpdatesAndDeletions() async throws {
    let server = try await collection("filters")
    func ids(_ filter: JSONValue) async throws -> Set<String> {
      let answer = try await server.post(
        "/retrieve",
        ["query": "anything", "collection": "filters", "mode": "dense", "filter": filter])
      #expect(answer.status == 200, "\(answer.text)")
      return Set((answer.json["results"]?.array ?? []).compactMap { $0["document_id"]?.string })
    }
    #expect(try await ids(["type": "eq", "key": "topic", "value": "models"]) == ["llama", "zh"])
    #expect(try await ids(["type": "gte", "key": "year", "value": 2000]) == ["llama"])
    let changed = try await server.send(
      .patch, "/collections/filters/documents/river", ["metadata": ["topic": "models"]])
    #expect(changed.status == 200)
    #expect(
      try await ids(["type": "eq", "key": "topic", "value": "models"]) == ["llama", "zh", "river"])
    #expect(try await server.send(.delete, "/collections/filters/documents/zh").status == 204)
    #expect(try await server.get("/collections/filters/documents/zh").status == 404)
    let deleted = try await server.send(
      .delete, "/collections/filters/documents",
      ["filter": ["type": "eq", "key": "topic", "value": "models"]])
    #expect(deleted.json["deleted"]?.int == 2)
    #expect(try await server.get("/collections/filters").json["documents"]?.int == 0)
  }

  @Test func rawBodiesBecomeDocuments() async throws {
    let server = try await TestServer.shared.value
    #expect(try await server.send(.put, "/collections/raw").status == 201)
    for (type, id) in [("text/plain; charset=utf-8", "a"), ("text/markdown", "b")] {
      let answer = try await server.send(
        .post, "/collections/raw/documents?id=\(id)", bytes: Array("# Title\n\nSome text.".utf8),
        headers: [.contentType: type])
      #expect(answer.status == 200, "\(answer.text)")
    }
    let picture = try await server.send(
      .post, "/collections/raw/documents", bytes: Array("GIF89a".utf8),
      headers: [.contentType: "image/gif"])
    #expect(picture.status == 415)
    let list = try await server.get("/collections/raw/documents?limit=1").json
    #expect(list["documents"]?.array?.count == 1)
    #expect(list["next"]?.string != nil)
  }

  /// One bad document, nothing stored, and the error names it.
  @Test func batchesAreStoredWholeOrNotAtAll() async throws {
    let server = try await TestServer.shared.value
    #expect(try await server.send(.put, "/collections/atomic").status == 201)
    let answer = try await server.post(
      "/collections/atomic/documents", [["id": "good", "text": "fine"], ["id": "bad", "text": 5]])
    #expect(answer.status == 400)
    #expect(answer.errorMessage.contains("bad"))
    #expect(try await server.get("/collections/atomic").json["documents"]?.int == 0)
  }

  @Test func documentsSurviveARestart() async throws {
    let folder = TestServer.temporaryFolder()
    let first = try await TestServer.start {
      $0.data = folder
      $0.model = "none"
    }
    #expect(try await first.post("/collections/default/documents", Self.documents).status == 200)
    await first.server.stop()
    let second = try await TestServer.start {
      $0.data = folder
      $0.model = "none"
    }
    let answer = try await second.post("/retrieve", ["query": "Who announced Llama 2?"])
    #expect(answer.json["results"]?[0]?["document_id"] == "llama")
    await second.server.stop()
  }

  /// A second process is told who holds the folder.
  @Test func heldDataFolderNamesItsServer() async throws {
    let server = try await TestServer.shared.value
    let folder = server.server.application.configuration.data
    await #expect {
      _ = try await TestServer.start { $0.data = folder }
    } throws: { error in
      "\(error)".contains(server.server.url)
    }
  }

  @Test(arguments: [
    ("/retrieve", #"{}"#, 400), ("/retrieve", #"{"query": 5}"#, 400),
    ("/retrieve", #"{"query": "a", "top_k": 0}"#, 400),
    ("/retrieve", #"{"query": "a", "mode": "magic"}"#, 400),
    ("/retrieve", #"{"query": "a", "collection": "nowhere"}"#, 404),
    ("/retrieve", #"{"query": "a", "filter": {"type": "like", "key": "k", "value": 1}}"#, 400),
    ("/retrieve", #"{"vector": [1, 2, 3]}"#, 400),
    ("/retrieve", #"{"query": "a", "rerank": true}"#, 503),
    ("/collections/nowhere/documents", #"{"text": "a"}"#, 404),
    ("/collections/default/documents", #"{"text": "a", "colour": "red"}"#, 400),
    ("/collections/default/documents", "\u{0}", 400),
  ])
  func badRequestsAreRefused(path: String, body: String, status: Int) async throws {
    let server = try await TestServer.shared.value
    let answer = try await server.send(.post, path, bytes: Array(body.utf8))
    #expect(answer.status == status, "\(answer.text)")
    #expect(answer.errorMessage.count > 10)
  }
}
