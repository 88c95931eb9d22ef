// The only map from errors to HTTP statuses and bodies. Every error of every target ends here;
// what isn't known here is our bug: 500, logged with its text, which the client isn't shown.

import HTTP
import HTTPTypes
import JSON
import Logging

enum ErrorResponse {
  static func render(_ error: any Error, logger: Logger) -> Response {
    let known = APIError(error)
    if known == nil {
      logger.error("unexpected error", metadata: ["error": .string(String(describing: error))])
    }
    return render(known ?? .unexpected)
  }

  static func render(_ error: APIError) -> Response {
    var response = Response.bytes(
      body(of: error), contentType: "application/json", status: .init(code: error.status))
    if error.status == 401 { response.headers[.wwwAuthenticate] = "Bearer" }
    if let seconds = error.retryAfterSeconds { response.headers[.retryAfter] = String(seconds) }
    if let retry = error.shouldRetry { response.headers[.shouldRetry] = String(retry) }
    return response
  }

  /// What HTTP itself refuses: unknown routes, oversized bodies, malformed requests.
  static func render(_ status: HTTPResponse.Status, message: String) -> Response {
    let code: String? =
      switch status.code {
      case 404: "unknown_url"
      case 405: "method_not_allowed"
      case 413: "request_too_large"
      default: nil
      }
    return render(
      APIError(
        status: status.code,
        type: status.code < 500 ? "invalid_request_error" : "server_error",
        message: status == .contentTooLarge
          ? message + ": send less, or raise --max-body" : message,
        code: code))
  }

  /// `{"error":{...}}`, as a body or as an event of a stream that has already begun.
  static func body(of error: APIError) -> [UInt8] {
    let fields: JSONObject = [
      "message": .string(error.message),
      "type": .string(error.type),
      "param": error.param.map(JSONValue.string) ?? .null,
      "code": error.code.map(JSONValue.string) ?? .null,
    ]
    return JSONValue.object(["error": .object(fields)]).serialized()
  }
}

extension ServerSentEvents {
  /// What the work throws becomes the last event of a stream whose status has gone out already, and
  /// is in the request's line of the log.
  func tellingErrors(_ work: () async throws -> Void) async throws {
    do {
      try await work()
    } catch let error where !(error is CancellationError) && !(error is HTTPError) {
      let known = APIError(error)
      RequestTrace.note("error", known.map { $0.code ?? $0.type } ?? String(describing: error))
      try await data(ErrorResponse.body(of: known ?? .unexpected))
    }
  }
}
