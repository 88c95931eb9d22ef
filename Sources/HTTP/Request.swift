// A request as handlers see it: parsed, routed, its body complete. Values only; makes no promise
// about what the body holds.

package import HTTPTypes

package struct Request: Sendable {
  /// Method, authority, target (as sent, with the query) and header fields.
  package var head: HTTPRequest
  /// The path, percent-decoded, without the query.
  package var path: String
  /// The query's pairs in order, decoded; `+` is a space.
  package var query: [(name: String, value: String)]
  /// What `{name}` segments of the route's pattern matched, decoded.
  package var parameters: [String: String] = [:]
  /// The pattern of the route that matched, empty when none did: a label of bounded cardinality.
  package var route = ""
  package var body: [UInt8]
  /// The client's x-request-id where it is sane, else one of ours; answers carry it.
  package var id: String
  /// The client's address in numbers, without the port; empty when there is no socket.
  package var peer: String

  package init(
    head: HTTPRequest, path: String, query: [(name: String, value: String)] = [],
    body: [UInt8] = [], id: String = RequestID.make(), peer: String = ""
  ) {
    self.head = head
    self.path = path
    self.query = query
    self.body = body
    self.id = id
    self.peer = peer
  }

  /// Splits and decodes a target such as `/search?q=a+b`; nil when its escapes are broken. For
  /// the server's own use and for tests that go through the router without a socket.
  package init?(
    _ method: HTTPRequest.Method, _ target: String, headers: HTTPFields = [:], body: [UInt8] = []
  ) {
    guard let parts = RequestTarget(target) else { return nil }
    let head = HTTPRequest(
      method: method, scheme: "http", authority: nil, path: target, headerFields: headers)
    self.init(
      head: head, path: parts.path, query: parts.query, body: body,
      id: RequestID.accepting(headers[.xRequestID]))
  }

  package var method: HTTPRequest.Method { head.method }
  package var headers: HTTPFields { head.headerFields }

  /// The first value of a query parameter.
  package func queryValue(_ name: String) -> String? { query.first { $0.name == name }?.value }
}

extension HTTPField.Name {
  /// A constant that is a token; the fallback is never reached.
  package static let xRequestID = HTTPField.Name("x-request-id") ?? .date
}
