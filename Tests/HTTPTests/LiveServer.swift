// A server on a free port and raw connections to it, for the tests that need sockets. Tests await
// events, never time: a missing event runs into the suite's time limit.

import CLinux
import Glibc
import HTTP
import HTTPTypes
import Logging
import Synchronization
import Testing
import Transport

/// Runs the body against a server that is stopped afterwards.
func withServer(
  _ router: Router, _ configure: (inout HTTPServerConfiguration) -> Void = { _ in },
  _ body: (LiveServer) async throws -> Void
) async throws {
  var configuration = HTTPServerConfiguration(port: 0)
  configure(&configuration)
  var logger = Logger(label: "test")
  logger.logLevel = .error
  let server = try HTTPServer(configuration: configuration, router: router, logger: logger)
  let address = try await server.start()
  let loop = try EventLoop.running(label: "test.clients")
  let live = LiveServer(server: server, address: address, loop: loop, client: try HTTPClient())
  do {
    try await body(live)
  } catch {
    await server.stop()
    await loop.shutdown()
    throw error
  }
  await server.stop()
  await loop.shutdown()
}

struct LiveServer {
  let server: HTTPServer
  let address: BoundAddress
  let loop: EventLoop
  let client: HTTPClient

  func url(_ path: String) -> String { "http://\(address.host):\(address.port)\(path)" }

  func connect() async throws -> RawConnection {
    let addresses = try await SocketAddress.resolve(host: address.host, port: address.port)
    return RawConnection(try await ClientConnection.connect(to: addresses, on: loop))
  }

  /// Sends bytes on a connection of their own and reads until the server ends it.
  func exchange(_ bytes: [UInt8]) async throws -> String {
    let connection = try await connect()
    try? await connection.raw.write(bytes)
    return try await connection.rest()
  }

  func exchange(_ text: String) async throws -> String { try await exchange(Array(text.utf8)) }

  /// Waits until the server has noticed that its clients are gone.
  func waitUntilNoConnections() async throws {
    while server.connectionCount > 0 { try await Task.sleep(for: .milliseconds(2)) }
  }
}

/// A connection that speaks only what the test says. For one task at a time.
final class RawConnection {
  let raw: ClientConnection
  private var received: ArraySlice<UInt8> = []

  init(_ raw: ClientConnection) { self.raw = raw }

  func send(_ text: String) async throws { try await raw.write(Array(text.utf8)) }

  /// Everything up to and including the marker.
  func read(through marker: String) async throws -> String {
    let marker = Array(marker.utf8)
    while true {
      if let end = received.firstRange(of: marker)?.upperBound {
        defer { received = received[end...] }
        return String(decoding: received[..<end], as: UTF8.self)
      }
      guard let bytes = try await raw.read() else {
        throw UnexpectedEnd(received: String(decoding: received, as: UTF8.self))
      }
      received.append(contentsOf: bytes)
    }
  }

  /// A response with a Content-Length: its status line, head and body.
  func response() async throws -> (status: String, head: String, body: String) {
    let head = try await read(through: "\r\n\r\n")
    let status = head.prefix { $0 != "\r\n" }
    let length =
      head.split(separator: "\r\n").first { $0.hasPrefix("Content-Length: ") }
      .flatMap { Int($0.dropFirst("Content-Length: ".count)) } ?? 0
    while received.count < length {
      guard let bytes = try await raw.read() else { throw UnexpectedEnd(received: head) }
      received.append(contentsOf: bytes)
    }
    defer { received = received.dropFirst(length) }
    let body = String(decoding: received.prefix(length), as: UTF8.self)
    return (String(status.dropFirst("HTTP/1.1 ".count)), head, body)
  }

  /// Everything until the server ends its direction.
  func rest() async throws -> String {
    while let bytes = try await raw.read() { received.append(contentsOf: bytes) }
    defer { received = [] }
    return String(decoding: received, as: UTF8.self)
  }
}

struct UnexpectedEnd: Error { let received: String }

/// Something that happens once and can be awaited by any number of tasks.
final class Event: Sendable {
  private struct State {
    var hasHappened = false
    var waiters: [CheckedContinuation<Void, Never>] = []
  }

  private let state = Mutex(State())

  func signal() {
    let waiters = state.withLock { state in
      defer { state.waiters = [] }
      state.hasHappened = true
      return state.waiters
    }
    for waiter in waiters { waiter.resume() }
  }

  /// Does not react to cancellation.
  func wait() async {
    await withCheckedContinuation { continuation in
      let isOver = state.withLock { state in
        if !state.hasHappened { state.waiters.append(continuation) }
        return state.hasHappened
      }
      if isOver { continuation.resume() }
    }
  }

  var hasHappened: Bool { state.withLock { $0.hasHappened } }
}

/// Sleeps until the task is cancelled, then tells.
func waitForCancellation(_ cancelled: Event) async {
  while !Task.isCancelled { try? await Task.sleep(for: .seconds(3600)) }
  cancelled.signal()
}

/// A port that is taken, so that nobody else gets it, and refuses connections.
final class UnansweredPort {
  private let descriptor = clinux_stream_socket(AF_INET)
  let number: Int

  init() throws {
    var storage = sockaddr_storage()
    storage.ss_family = sa_family_t(AF_INET)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    try #require(clinux_bind(descriptor, &storage, length) == 0)
    try #require(clinux_local_address(descriptor, &storage, &length) == 0)
    number = withUnsafeBytes(of: storage) { Int($0[2]) << 8 | Int($0[3]) }
  }

  deinit { close(descriptor) }
}

/// An error renderer as the API has one: JSON, with the message.
let jsonErrors: ErrorRenderer = { status, message in
  .bytes(
    Array("{\"error\":\"\(message)\"}".utf8), contentType: "application/json", status: status)
}

/// `/echo` answers with the body, `/hello` inline, `/late` off the loop.
func testRouter(preflight: Router.Preflight? = nil) -> Router {
  var router = Router(preflight: preflight, errorRenderer: jsonErrors)
  router.add(.get, "/hello", inline: true) { _ in .text("hello") }
  router.add(.get, "/late/{n}") { .text("late \($0.parameters["n"] ?? "")") }
  let echo: Handler = { .bytes($0.body, contentType: "application/octet-stream") }
  router.add(.post, "/echo", handler: echo)
  router.add(.post, "/small", maximumBodyBytes: 1000, handler: echo)
  router.add(.put, "/optional", optionalBody: true, handler: echo)
  return router
}

func request(
  _ line: String, _ fields: String..., body: String = ""
) -> String {
  "\(line) HTTP/1.1\r\nHost: a\r\n" + fields.map { $0 + "\r\n" }.joined() + "\r\n" + body
}
