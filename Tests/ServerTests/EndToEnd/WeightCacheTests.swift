// Quantised weights from one start to the next, through a whole server.

import Foundation
import Testing

@testable import Server

struct WeightCacheTests {
  private func start(
    data: String, _ change: (inout ServerConfiguration) -> Void = { _ in }
  ) async throws -> TestServer {
    try await TestServer.start {
      $0.data = data
      $0.embeddingModel = "none"
      change(&$0)
    }
  }

  private func hasUnsavedWeights(_ server: TestServer) throws -> Bool {
    try #require(server.server.application.state.chat).unsavedWeights != nil
  }

  @Test func theNextStartFindsTheWeights() async throws {
    let data = TestServer.temporaryFolder()
    let first = try await start(data: data)
    #expect(try hasUnsavedWeights(first))
    await first.server.stop()
    let files = try FileManager.default.contentsOfDirectory(atPath: data + "/cache")
    #expect(files.count == 1 && files[0].hasPrefix("default-"))
    let second = try await start(data: data)
    #expect(try !hasUnsavedWeights(second))
    let answer = try await second.post(
      "/v1/completions", ["prompt": "Water is", "max_tokens": 3, "ignore_eos": true])
    #expect(answer.status == 200)
    await second.server.stop()
  }

  @Test func switchedOffItWritesNothing() async throws {
    let data = TestServer.temporaryFolder()
    let server = try await start(data: data) { $0.weightCache = false }
    await server.server.stop()
    #expect(!FileManager.default.fileExists(atPath: data + "/cache"))
  }

  @Test func aServerStartsWhereTheCacheCannotBeWritten() async throws {
    let data = TestServer.temporaryFolder()
    try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
    try Data([1]).write(to: URL(fileURLWithPath: data + "/cache"))
    let server = try await start(data: data)
    #expect(try await server.get("/health").status == 200)
    await server.server.stop()
    #expect(try Data(contentsOf: URL(fileURLWithPath: data + "/cache")) == Data([1]))
  }
}
