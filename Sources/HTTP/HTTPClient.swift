// A small HTTP/1.1 client: one connection per request, http:// only. For the command line, which
// talks to a server of ours, and for tests; no redirects, no cookies, no proxies.

package import HTTPTypes
import Transport

package final class HTTPClient: Sendable {
  private let loop: EventLoop

  /// Throws when the system refuses an event loop.
  package init() throws { loop = try EventLoop.running(label: "martlet.http.client") }

  deinit { loop.shutdownSoon() }

  /// Sends a request and waits for the whole answer.
  package func request(
    _ method: HTTPRequest.Method, _ url: String, headers: HTTPFields = [:], body: [UInt8]? = nil
  ) async throws -> (status: HTTPResponse.Status, headers: HTTPFields, body: [UInt8]) {
    let response = try await stream(method, url, headers: headers, body: body)
    return (response.status, response.headers, try await response.wholeBody())
  }

  /// Sends a request and waits for the answer's head; the body comes piece by piece. Cancelling
  /// the task, or letting go of the response, hangs up.
  package func stream(
    _ method: HTTPRequest.Method, _ url: String, headers: HTTPFields = [:], body: [UInt8]? = nil
  ) async throws -> HTTPClientResponse {
    let location = try HTTPLocation(url)
    let connection: ClientConnection
    do {
      let addresses = try await SocketAddress.resolve(host: location.host, port: location.port)
      connection = try await ClientConnection.connect(to: addresses, on: loop)
    } catch let error as TransportError {
      throw HTTPError.transport(error)
    }
    let owner = ConnectionOwner(connection: connection, client: self)
    let message = Self.message(method, location, headers, body)
    // A server may answer, and close, before it has read everything: its answer is what counts.
    try? await connection.write(message)
    return try await HTTPClientResponse(owner, isHead: method == .head)
  }

  private static func message(
    _ method: HTTPRequest.Method, _ location: HTTPLocation, _ headers: HTTPFields, _ body: [UInt8]?
  ) -> [UInt8] {
    var text = "\(method.rawValue) \(location.target) HTTP/1.1\r\nHost: \(location.authority)\r\n"
    for field in headers { text += "\(field.name.rawName): \(field.value)\r\n" }
    if let body { text += "Content-Length: \(body.count)\r\n" }
    return Array((text + "Connection: close\r\n\r\n").utf8) + (body ?? [])
  }
}

/// Closes the connection when nobody reads from it any more, and keeps its event loop alive till then.
final class ConnectionOwner: Sendable {
  let connection: ClientConnection
  private let client: HTTPClient

  init(connection: ClientConnection, client: HTTPClient) {
    self.connection = connection
    self.client = client
  }

  deinit {
    let (connection, client) = (connection, client)
    Task {
      await connection.close()
      _ = client
    }
  }
}

/// The parts of an http URL that a request needs.
struct HTTPLocation: Sendable, Hashable {
  let host: String
  let port: Int
  let target: String

  var authority: String {
    let name = host.contains(":") ? "[\(host)]" : host
    return port == 80 ? name : "\(name):\(port)"
  }

  init(_ url: String) throws(HTTPError) {
    guard url.lowercased().hasPrefix("http://") else {
      throw .badURL(url, reason: "only http:// is supported")
    }
    let rest = url.dropFirst("http://".count).prefix { $0 != "#" }
    let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
    let authority = String(rest[..<end])
    guard RequestHead.isAuthority(authority) else {
      throw .badURL(url, reason: "'\(authority)' is not a host with an optional port")
    }
    let target = String(rest[end...])
    self.target = target.hasPrefix("/") ? target : "/" + target
    guard self.target.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      throw .badURL(url, reason: "characters outside ASCII and spaces must be percent-encoded")
    }
    if authority.hasPrefix("["), let bracket = authority.lastIndex(of: "]") {
      host = String(authority[..<bracket].dropFirst())
      port = Int(authority[bracket...].dropFirst(2)) ?? 80
    } else {
      let parts = authority.split(separator: ":", maxSplits: 1)
      host = String(parts[0])
      port = parts.count > 1 ? Int(parts[1]) ?? 80 : 80
    }
  }
}
