// How commands reach the API: over HTTP with `--server URL`, or inside this process. Both speak the
// same routes and JSON, so that a command doesn't care which it is.

import HTTP
import HTTPTypes
import JSON
import Server

protocol APIClient: Sendable {
  /// Sends a JSON body, or none; returns the JSON answer. Throws `CommandFailure` with the server's
  /// own message for every status from 400.
  func call(_ method: HTTPRequest.Method, _ path: String, _ body: JSONValue?) async throws
    -> JSONValue

  /// As `call`, for an answer of server-sent events: `take` gets each one's data until `[DONE]`.
  func stream(
    _ path: String, _ body: JSONValue, _ take: @escaping @Sendable (JSONValue) async throws -> Void
  ) async throws

  /// The same for a GET.
  func follow(
    _ path: String, _ take: @escaping @Sendable (JSONValue) async throws -> Void
  ) async throws

  func close() async
}

extension APIClient {
  func get(_ path: String) async throws -> JSONValue { try await call(.get, path, nil) }
  func post(_ path: String, _ body: JSONValue) async throws -> JSONValue {
    try await call(.post, path, body)
  }

  /// The failure behind an error body, or the bare status where there is none.
  func failure(status: Int, body: [UInt8]) -> CommandFailure {
    let message = (try? JSONValue(parsing: body))?["error"]?["message"]?.string
    return .failure(message ?? "the server answered with status \(status)")
  }

  func answer(status: Int, body: [UInt8]) throws -> JSONValue {
    guard status < 400 else { throw failure(status: status, body: body) }
    guard !body.isEmpty else { return .null }
    do { return try JSONValue(parsing: body) } catch {
      throw CommandFailure.failure("the server's answer is not JSON: \(error)")
    }
  }
}

/// Splits a stream of bytes into the data of its server-sent events.
struct EventParser {
  private var line: [UInt8] = []

  /// The JSON of each `data:` line that is complete; `[DONE]` and comments are dropped.
  mutating func append(_ bytes: [UInt8]) throws -> [JSONValue] {
    var events: [JSONValue] = []
    for byte in bytes {
      guard byte == UInt8(ascii: "\n") else {
        line.append(byte)
        continue
      }
      let prefix = Array("data: ".utf8)
      if line.starts(with: prefix), !line.elementsEqual(Array("data: [DONE]".utf8)) {
        let event = try JSONValue(parsing: Array(line.dropFirst(prefix.count)))
        if let message = event["error"]?["message"]?.string {
          throw CommandFailure.failure(message)
        }
        events.append(event)
      }
      line = []
    }
    return events
  }
}
