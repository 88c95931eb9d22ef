// The API inside this process: the application's router, without a socket.

import HTTP
import HTTPTypes
import JSON
import Server

struct LocalClient: APIClient {
  private let application: Application

  /// Loads what the configuration names.
  static func open(_ configuration: ServerConfiguration) async throws(CommandFailure) -> LocalClient
  {
    let application = Application(local: configuration)
    do throws(StartupFailure) { _ = try await application.load() } catch {
      throw CommandFailure(error)
    }
    return LocalClient(application: application)
  }

  func call(
    _ method: HTTPRequest.Method, _ path: String, _ body: JSONValue?
  ) async throws -> JSONValue {
    let response = try await respond(method, path, body)
    let sink = ByteSink()
    switch response.body {
    case .empty: break
    case .bytes(let bytes): try await sink.write(bytes)
    case .stream(let produce): try await produce(sink)
    }
    return try answer(status: response.status.code, body: await sink.bytes)
  }

  func stream(
    _ path: String, _ body: JSONValue, _ take: @escaping @Sendable (JSONValue) async throws -> Void
  ) async throws {
    try await stream(try await respond(.post, path, body), take)
  }

  func follow(
    _ path: String, _ take: @escaping @Sendable (JSONValue) async throws -> Void
  ) async throws {
    try await stream(try await respond(.get, path, nil), take)
  }

  private func stream(
    _ response: Response, _ take: @escaping @Sendable (JSONValue) async throws -> Void
  ) async throws {
    guard case .stream(let produce) = response.body, response.status.code < 400 else {
      if case .bytes(let bytes) = response.body {
        throw failure(status: response.status.code, body: bytes)
      }
      throw failure(status: response.status.code, body: [])
    }
    try await produce(EventSink(take: take))
  }

  func close() async { await application.close() }

  private func respond(
    _ method: HTTPRequest.Method, _ path: String, _ body: JSONValue?
  ) async throws -> Response {
    guard
      let request = Request(
        method, path, headers: [.contentType: "application/json"],
        body: body.map { $0.serialized() } ?? [])
    else { throw CommandFailure.failure("'\(path)' is not a valid path") }
    return await application.router.respond(to: request)
  }
}

private actor ByteSink: ResponseStream {
  private(set) var bytes: [UInt8] = []
  func write(_ bytes: [UInt8]) async throws { self.bytes += bytes }
}

private actor EventSink: ResponseStream {
  private var parser = EventParser()
  private let take: @Sendable (JSONValue) async throws -> Void

  init(take: @escaping @Sendable (JSONValue) async throws -> Void) { self.take = take }

  func write(_ bytes: [UInt8]) async throws {
    for event in try parser.append(bytes) { try await take(event) }
  }
}
