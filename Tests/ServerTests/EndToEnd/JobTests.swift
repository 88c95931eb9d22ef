import Foundation
import HTTP
import HTTPTypes
import JSON
import Testing

@testable import Server

@Suite(.enabled(if: TestServer.hasEmbeddingModel))
struct JobTests {
  private func documents(_ count: Int) -> JSONValue {
    .array(
      (0..<count).map { ["id": .string("d\($0)"), "text": .string("Document \($0) of a river.")] })
  }

  private func start(_ server: TestServer, _ count: Int, in name: String) async throws -> String {
    let answer = try await server.post(
      "/collections/\(name)/documents?wait=false", documents(count))
    #expect(answer.status == 202, "\(answer.text)")
    let id = try #require(answer.json["id"]?.string)
    #expect(answer.headers[.location] == "/jobs/\(id)")
    return id
  }

  @Test(arguments: Door.allCases)
  func aJobTellsHowFarItIs(door: Door) async throws {
    let server = try await TestServer.shared.value
    let name = "jobs-\(door.rawValue)"
    _ = try await server.send(.put, "/collections/\(name)")
    let id = try await start(server, 70, in: name)
    // The stream ends with the job.
    let events = try await server.get("/jobs/\(id)/events", through: door).events()
    let last = try #require(events.last)
    #expect(last["state"] == "succeeded")
    #expect(last["done"] == 70 && last["total"] == 70)
    let done = events.compactMap { $0["done"]?.int }
    #expect(done == done.sorted())
    let job = try await server.get("/jobs/\(id)", through: door).json
    #expect(job["result"]?["documents"] == 70 && job["error"]?.isNull == true)
    #expect(try await server.get("/collections/\(name)").json["documents"] == 70)
    let listed = try await server.get("/v1/jobs", through: door).json["jobs"]?.array ?? []
    #expect(listed.contains { $0["id"]?.string == id })
    // Sent again, everything is there already; asked for by the header.
    let again = try await server.send(
      .post, "/collections/\(name)/documents", documents(70),
      headers: [.contentType: "application/json", .prefer: "respond-async, wait=10"], through: door)
    #expect(again.status == 202)
    #expect(again.headers[.preferenceApplied] == "respond-async")
    let second = try #require(again.json["id"]?.string)
    _ = try await server.get("/jobs/\(second)/events", through: door)
    let result = try await server.get("/jobs/\(second)", through: door).json["result"]
    #expect(result?["unchanged"] == 70 && result?["chunks"] == 0)
  }

  @Test func badDocumentsAreRefusedBeforeTheJob() async throws {
    let server = try await TestServer.shared.value
    let path = "/collections/default/documents?wait=false"
    let twice = try await server.post(path, [["id": "a", "text": "x"], ["id": "a", "text": "y"]])
    #expect(twice.status == 400)
    #expect(try await server.post(path, [["id": "a"]]).status == 400)
    let nowhere = try await server.post(
      "/collections/nowhere/documents?wait=false", [["text": "x"]])
    #expect(nowhere.status == 404)
    let neither = try await server.post("/collections/default/documents?wait=maybe", [])
    #expect(neither.status == 400 && neither.json["error"]?["param"] == "wait")
    let unknown = try await server.get("/jobs/unknown")
    #expect(unknown.status == 404 && unknown.errorCode == "job_not_found")
    #expect(try await server.get("/jobs/unknown/events").status == 404)
    #expect(try await server.send(.delete, "/jobs/unknown").status == 404)
  }

  @Test(arguments: Door.allCases)
  func aReindexIsAJob(door: Door) async throws {
    let server = try await TestServer.shared.value
    let path = "/collections/reindexed-\(door.rawValue)"
    _ = try await server.send(.put, path)
    let text = "The first sentence of the text. The second sentence of it. 第三句话。"
    _ = try await server.post(path + "/documents", ["id": "a", "text": .string(text)])
    let settings: JSONValue = ["chunking": ["size": 40, "overlap": 0], "language": "zh"]
    let refused = try await server.send(.put, path, settings)
    #expect(refused.status == 409 && refused.errorMessage.contains("/reindex"))
    let answer = try await server.post(path + "/reindex", settings, through: door)
    #expect(answer.status == 202 && answer.json["kind"] == "reindex", "\(answer.text)")
    let id = try #require(answer.json["id"]?.string)
    _ = try await server.get("/jobs/\(id)/events", through: door)
    let job = try await server.get("/jobs/\(id)", through: door).json
    #expect(job["state"] == "succeeded" && job["done"] == 1)
    #expect(job["result"]?["chunks"]?.int ?? 0 >= 2)
    #expect(try await server.get(path).json["language"] == "zh")
    // Without a body, nothing but the model is new.
    let again = try await server.send(.post, path + "/reindex", headers: [:], through: door)
    #expect(again.status == 202)
    let bad: JSONValue = ["chunking": ["strategy": "magic"]]
    #expect(try await server.post(path + "/reindex", bad, through: door).status == 400)
    #expect(try await server.post("/collections/nowhere/reindex", [:]).status == 404)
  }

  @Test func aFailedJobSaysWhy() async throws {
    let server = try await TestServer.start {
      $0.model = "none"
      $0.embeddingModel = "none"
    }
    let id = try await start(server, 3, in: "default")
    _ = try await server.get("/jobs/\(id)/events")
    let job = try await server.get("/jobs/\(id)").json
    #expect(job["state"] == "failed")
    #expect(job["error"]?["code"] == "no_embedding_model")
    await server.server.stop()
  }

  /// What was stored before the end stays, and the same request stores the rest.
  @Test func cancelledAndInterruptedJobsGoOn() async throws {
    let folder = TestServer.temporaryFolder()
    func open() async throws -> TestServer {
      try await TestServer.start {
        $0.data = folder
        $0.model = "none"
      }
    }
    let first = try await open()
    let cancelled = try await start(first, 3000, in: "default")
    while try await first.get("/collections/default").json["documents"]?.int == 0 {
      await Task.yield()
    }
    let answer = try await first.send(.delete, "/jobs/\(cancelled)")
    #expect(answer.json["state"] == "cancelled")
    let stored = try await first.get("/collections/default").json["documents"]?.int ?? 0
    #expect(stored > 0 && stored < 3000 && stored % 32 == 0)
    let interrupted = try await start(first, 3000, in: "default")
    await first.server.stop()

    let second = try await open()
    #expect(try await second.get("/jobs/\(cancelled)").json["state"] == "cancelled")
    #expect(try await second.get("/jobs/\(interrupted)").json["state"] == "interrupted")
    let before = try await second.get("/collections/default").json["documents"]?.int ?? 0
    let rest = try await start(second, before + 5, in: "default")
    _ = try await second.get("/jobs/\(rest)/events")
    let result = try await second.get("/jobs/\(rest)").json["result"]
    #expect(result?["unchanged"]?.int == before)
    #expect(result?["documents"]?.int == before + 5)
    await second.server.stop()
  }

  @Test func onlyAFewRunAtATime() async throws {
    let server = try await TestServer.start { $0.model = "none" }
    var ids: [String] = []
    for _ in 0..<8 { ids.append(try await start(server, 500, in: "default")) }
    let refused = try await server.post("/collections/default/documents?wait=false", documents(1))
    #expect(refused.status == 503 && refused.errorCode == "too_many_jobs")
    #expect(refused.headers[.retryAfter] != nil)
    await server.server.stop()
  }
}
