// The API of a running server over HTTP.

import HTTP
import HTTPTypes
import JSON

struct RemoteClient: APIClient {
  private let http: HTTPClient
  private let base: String
  private let headers: HTTPFields

  /// - Parameter server: `http://host:port`, with or without a slash at the end.
  init(server: String, key: String?) throws(CommandFailure) {
    do { http = try HTTPClient() } catch {
      throw .failure("no network connection can be made: \(error)")
    }
    base = server.hasSuffix("/") ? String(server.dropLast()) : server
    var headers: HTTPFields = [.contentType: "application/json"]
    if let key { headers[.authorization] = "Bearer \(key)" }
    self.headers = headers
  }

  func call(
    _ method: HTTPRequest.Method, _ path: String, _ body: JSONValue?
  ) async throws -> JSONValue {
    let response = try await reaching {
      try await http.request(method, base + path, headers: headers, body: body?.serialized())
    }
    return try answer(status: response.status.code, body: response.body)
  }

  func stream(
    _ path: String, _ body: JSONValue, _ take: @escaping @Sendable (JSONValue) async throws -> Void
  ) async throws {
    try await stream(.post, path, body, take)
  }

  func follow(
    _ path: String, _ take: @escaping @Sendable (JSONValue) async throws -> Void
  ) async throws {
    try await stream(.get, path, nil, take)
  }

  private func stream(
    _ method: HTTPRequest.Method, _ path: String, _ body: JSONValue?,
    _ take: @escaping @Sendable (JSONValue) async throws -> Void
  ) async throws {
    let response = try await reaching {
      try await http.stream(method, base + path, headers: headers, body: body?.serialized())
    }
    guard response.status.code < 400 else {
      throw failure(status: response.status.code, body: try await response.wholeBody())
    }
    var parser = EventParser()
    for try await bytes in response {
      for event in try parser.append(bytes) { try await take(event) }
    }
  }

  func close() async {}

  private func reaching<Answer>(_ send: () async throws -> Answer) async throws -> Answer {
    do { return try await send() } catch let error as HTTPError {
      throw CommandFailure.failure("the server at \(base) can't be asked: \(error)")
    }
  }
}
