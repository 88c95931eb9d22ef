// A small HTTP/1.1 client: one connection per request, over TLS for https URLs. For the command line,
// which talks to a server of ours and fetches models, and for tests; no redirects, no cookies.

import Dispatch
package import HTTPTypes
import Synchronization
package import Transport

package struct HTTPClientConfiguration: Sendable {
  /// Whose certificates https servers may have.
  package var trust = TLSTrust.system
  package var proxies = ProxySettings()
  /// A server that sends nothing for so long, or up to twice as long, is given up; nil waits for ever.
  package var readTimeout: Duration?

  package init() {}
}

package final class HTTPClient: Sendable {
  private let loop: EventLoop
  private let configuration: HTTPClientConfiguration
  /// Made for the first https URL.
  private let context = Mutex<TLSContext?>(nil)

  /// Throws when the system refuses an event loop.
  package init(_ configuration: HTTPClientConfiguration = .init()) throws {
    self.configuration = configuration
    loop = try EventLoop.running(label: "martlet.http.client")
  }

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
    do {
      let owner = ConnectionOwner(connection: try await connect(to: location), client: self)
      let message = Self.message(method, location, headers, body)
      // A server may answer, and close, before it has read everything: its answer is what counts.
      try? await owner.connection.write(message)
      return try await HTTPClientResponse(owner, isHead: method == .head)
    } catch let error as TransportError {
      throw HTTPError.transport(error)
    }
  }

  private func connect(to location: HTTPLocation) async throws -> ClientConnection {
    let proxy = configuration.proxies.proxy(for: location)
    let next = proxy?.location ?? location
    var options = ConnectionOptions()
    options.readTimeout = configuration.readTimeout
    let connection = try await ClientConnection.connect(
      to: try await SocketAddress.resolve(host: next.host, port: next.port), on: loop,
      options: options)
    do {
      if let proxy { try await proxy.openTunnel(to: location, on: connection) }
      if location.isSecure {
        try await connection.startTLS(try await tlsContext(), host: location.host)
      }
      return connection
    } catch {
      await connection.close()
      throw error
    }
  }

  private func tlsContext() async throws -> TLSContext {
    if let context = context.withLock({ $0 }) { return context }
    let trust = configuration.trust
    let made: TLSContext = try await withCheckedThrowingContinuation { continuation in
      // Reads some hundred certificates from files.
      DispatchQueue.global().async {
        continuation.resume(with: Result { try TLSContext.client(trust: trust) })
      }
    }
    context.withLock { $0 = made }
    return made
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
