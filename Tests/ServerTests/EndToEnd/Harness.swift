// A real server for the end-to-end tests: the bundled chat model, the fetched embedding model, a
// data folder of its own, and two doors: a live socket, and the router without one.

import Foundation
import HTTP
import HTTPTypes
import JSON
import Testing

@testable import Server

/// The way a request takes.
enum Door: String, Sendable, CaseIterable {
  case socket
  case router
}

struct Answer: Sendable {
  var status: Int
  var headers: HTTPFields
  var bytes: [UInt8]

  var json: JSONValue { (try? JSONValue(parsing: bytes)) ?? .null }
  var text: String { String(decoding: bytes, as: UTF8.self) }
  var errorCode: String? { json["error"]?["code"]?.string }
  var errorMessage: String { json["error"]?["message"]?.string ?? "" }

  /// The JSON of each server-sent event; the last one must be `[DONE]`.
  func events() throws -> [JSONValue] {
    var lines = text.components(separatedBy: "\n\n").filter { !$0.isEmpty && !$0.hasPrefix(":") }
    let last = lines.popLast()
    #expect(last == "data: [DONE]")
    return try lines.map { try JSONValue(parsing: Array($0.dropFirst("data: ".count).utf8)) }
  }
}

struct TestServer: Sendable {
  let server: MartletServer
  private let client: HTTPClient

  static let modelsFolder = Repository.file("Models").path
  static let hasEmbeddingModel = FileManager.default.fileExists(
    atPath: Repository.file("Models/all-MiniLM-L6-v2/model.safetensors").path)

  /// Shared by all tests that leave nothing behind but documents in collections of their own.
  static let shared = Task { try await TestServer.start() }

  /// - Parameter change: applied to a configuration of a free port and an empty data folder.
  static func start(
    _ change: (inout ServerConfiguration) -> Void = { _ in }
  ) async throws -> TestServer {
    var configuration = ServerConfiguration()
    configuration.port = 0
    configuration.models = modelsFolder
    configuration.model = "default"
    configuration.data = temporaryFolder()
    configuration.logLevel = .error
    change(&configuration)
    let server = try await MartletServer.start(configuration)
    do { _ = try await server.load() } catch {
      await server.stop()
      throw error
    }
    return TestServer(server: server, client: try HTTPClient())
  }

  static func temporaryFolder() -> String {
    NSTemporaryDirectory() + "martlet-test-\(UUID().uuidString)"
  }

  func send(
    _ method: HTTPRequest.Method, _ path: String, _ body: JSONValue? = nil,
    headers: HTTPFields = [.contentType: "application/json"], through door: Door = .socket
  ) async throws -> Answer {
    try await send(method, path, bytes: body?.serialized(), headers: headers, through: door)
  }

  func send(
    _ method: HTTPRequest.Method, _ path: String, bytes: [UInt8]?,
    headers: HTTPFields = [.contentType: "application/json"], through door: Door = .socket
  ) async throws -> Answer {
    switch door {
    case .socket:
      let answer = try await client.request(
        method, server.url + path, headers: headers, body: bytes)
      return Answer(status: answer.status.code, headers: answer.headers, bytes: answer.body)
    case .router:
      let request = try #require(Request(method, path, headers: headers, body: bytes ?? []))
      let response = await server.application.router.respond(to: request)
      let collector = Collector()
      switch response.body {
      case .empty: break
      case .bytes(let bytes): await collector.write(bytes)
      case .stream(let produce): try await produce(collector)
      }
      return Answer(
        status: response.status.code, headers: response.headers, bytes: await collector.bytes)
    }
  }

  func get(_ path: String, through door: Door = .socket) async throws -> Answer {
    try await send(.get, path, through: door)
  }

  func post(_ path: String, _ body: JSONValue, through door: Door = .socket) async throws -> Answer
  {
    try await send(.post, path, body, through: door)
  }

  /// A streamed answer, piece by piece, over the socket.
  func stream(_ path: String, _ body: JSONValue) async throws -> HTTPClientResponse {
    try await client.stream(
      .post, server.url + path, headers: [.contentType: "application/json"],
      body: body.serialized())
  }
}

private actor Collector: ResponseStream {
  private(set) var bytes: [UInt8] = []
  func write(_ bytes: [UInt8]) { self.bytes += bytes }
}

func user(_ text: String) -> JSONValue { ["role": "user", "content": .string(text)] }
