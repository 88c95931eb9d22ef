// What handlers answer with. Framing (Content-Length, Transfer-Encoding, Connection), Date and
// x-request-id are the server's business and overwrite what a handler says about them; only
// `Connection: close` is honoured.

package import HTTPTypes

package struct Response: Sendable {
  package enum Body: Sendable {
    case empty
    case bytes([UInt8])
    /// Runs in the request's task once the head has been sent. Ends the body by returning; throwing
    /// cuts the connection, so that the client can tell a truncated body from a whole one.
    case stream(@Sendable (any ResponseStream) async throws -> Void)
  }

  package var status: HTTPResponse.Status
  package var headers: HTTPFields
  package var body: Body

  package init(_ status: HTTPResponse.Status, headers: HTTPFields = [:], body: Body = .empty) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  /// A whole body of one media type.
  package static func bytes(
    _ bytes: [UInt8], contentType: String, status: HTTPResponse.Status = .ok
  ) -> Response {
    Response(status, headers: [.contentType: contentType], body: .bytes(bytes))
  }

  package static func text(_ text: String, status: HTTPResponse.Status = .ok) -> Response {
    .bytes(Array(text.utf8), contentType: "text/plain; charset=utf-8", status: status)
  }
}

/// The body of a response while it is being made.
package protocol ResponseStream: Sendable {
  /// Sends one piece; waits while the client is slow to take what went before. Throws
  /// `HTTPError.clientGone` once the client has hung up. Goes on working in a cancelled task, so
  /// that a stream that is cut short can still say why.
  func write(_ bytes: [UInt8]) async throws
}

/// Makes the body of an answer that is an error: the server's own (400, 404, 405, 408, 411, 413,
/// 414, 417, 431, 501, 505) all come through here.
package typealias ErrorRenderer = @Sendable (HTTPResponse.Status, _ message: String) -> Response

package typealias Handler = @Sendable (Request) async -> Response

/// Wraps handlers: sees each request before them and each response after them, those of unknown
/// routes and refused bodies included. (What never became a request, such as a malformed head, goes
/// to the error renderer only.)
package protocol Middleware: Sendable {
  func respond(to request: Request, next: Handler) async -> Response
}
