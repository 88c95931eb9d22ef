// TLS on both sides of a connection inside this process: bytes get through, ends are told from cuts, and
// certificates that must not be believed are refused with a reason.

import COpenSSL
import Glibc
import TestTLS
import Testing

@testable import Transport

/// Sends back what comes over TLS, and ends when the peer does; `!` has it cut the connection.
private final class SecureEcho: ConnectionHandler {
  private let context: TLSContext

  init(_ context: TLSContext) { self.context = context }

  func opened(_ connection: Connection, on loop: isolated EventLoop) {
    do { try connection.startTLS(context, host: nil, on: loop) } catch {
      connection.close(on: loop)
    }
  }

  func received(
    _ bytes: UnsafeRawBufferPointer, from connection: Connection, on loop: isolated EventLoop
  ) {
    if bytes.first == UInt8(ascii: "!") { return connection.abort(on: loop) }
    connection.write(Array(bytes), on: loop)
  }

  func hungUp(_ connection: Connection, on loop: isolated EventLoop) {}
  func ended(_ connection: Connection, on loop: isolated EventLoop) { connection.finish(on: loop) }
  func deadlinePassed(_ connection: Connection, on loop: isolated EventLoop) {}
  func closed(_ connection: Connection, on loop: isolated EventLoop) {}
}

/// Says something in the clear at once or when something comes, and closes; or nothing at all.
private final class PlainHandler: ConnectionHandler {
  private let greeting: String?
  private let answer: String?

  init(greeting: String? = nil, answer: String? = nil) {
    self.greeting = greeting
    self.answer = answer
  }

  func opened(_ connection: Connection, on loop: isolated EventLoop) {
    say(greeting, connection, loop)
  }

  func received(
    _ bytes: UnsafeRawBufferPointer, from connection: Connection, on loop: isolated EventLoop
  ) {
    say(answer, connection, loop)
  }

  private func say(_ text: String?, _ connection: Connection, _ loop: isolated EventLoop) {
    guard let text else { return }
    connection.write(Array(text.utf8), on: loop)
    connection.finish(on: loop)
  }

  func hungUp(_ connection: Connection, on loop: isolated EventLoop) {}
  func ended(_ connection: Connection, on loop: isolated EventLoop) { connection.finish(on: loop) }
  func deadlinePassed(_ connection: Connection, on loop: isolated EventLoop) {}
  func closed(_ connection: Connection, on loop: isolated EventLoop) {}
}

@Suite(.timeLimit(.minutes(1))) struct TLSStreamTests {
  private func withServer(
    _ handler: @autoclosure @escaping @Sendable () -> any ConnectionHandler,
    options: ConnectionOptions = ConnectionOptions(),
    _ body: (_ connect: () async throws -> ClientConnection) async throws -> Void
  ) async throws {
    let loop = try EventLoop.running(label: "test.server")
    let clients = try EventLoop.running(label: "test.clients")
    let local = try await SocketAddress.resolve(host: "127.0.0.1", port: 0)
    let address = try await loop.listen(
      on: local, maximumConnections: 100, options: ConnectionOptions(), makeHandler: handler)
    try await body {
      try await ClientConnection.connect(to: [address], on: clients, options: options)
    }
    await loop.shutdown()
    await clients.shutdown()
  }

  private func withEcho(
    _ issued: TestAuthority.Issued,
    _ body: (_ connect: () async throws -> ClientConnection) async throws -> Void
  ) async throws {
    let context = try TLSContext.server(certificate: issued.certificate, key: issued.key)
    try await withServer(SecureEcho(context), body)
  }

  /// What reading the first answer fails with.
  private func failure(
    of connection: ClientConnection, trust: TLSTrust, host: String
  ) async throws -> TransportError? {
    try await connection.startTLS(try .client(trust: trust), host: host)
    try? await connection.write([1])
    return await #expect(throws: TransportError.self) { _ = try await connection.read() }
  }

  @Test(arguments: ["localhost", "127.0.0.1"])
  func echoes(_ host: String) async throws {
    let authority = try TestAuthority()
    try await withEcho(try authority.issue()) { connect in
      let connection = try await connect()
      try await connection.startTLS(try .client(trust: .file(authority.file)), host: host)
      try await connection.write(Array("hello 你好".utf8))
      #expect(try await connection.read() == Array("hello 你好".utf8))
      await connection.finishOutput()
      #expect(try await connection.read() == nil)
    }
  }

  /// More than all the buffers on the way hold, in both directions at once; and the last bytes
  /// arrive though both sides have ended.
  @Test func carriesMuch() async throws {
    let authority = try TestAuthority()
    try await withEcho(try authority.issue()) { connect in
      let connection = try await connect()
      try await connection.startTLS(try .client(trust: .file(authority.file)), host: "localhost")
      let pieces = (0..<400).map { n in [UInt8](repeating: UInt8(n & 31), count: 40_000) }
      let writer = Task {
        for piece in pieces { try await connection.write(piece) }
      }
      var received: [UInt8] = []
      while received.count < 400 * 40_000 { received += try await connection.read() ?? [] }
      try await writer.value
      #expect(received == pieces.flatMap { $0 })
      await connection.finishOutput()
      #expect(try await connection.read() == nil)
    }
  }

  @Test func tellsACutFromAnEnd() async throws {
    let authority = try TestAuthority()
    try await withEcho(try authority.issue()) { connect in
      let connection = try await connect()
      try await connection.startTLS(try .client(trust: .file(authority.file)), host: "localhost")
      try await connection.write(Array("hello".utf8))
      #expect(try await connection.read() == Array("hello".utf8))
      try await connection.write(Array("!".utf8))
      await #expect(throws: TransportError.connectionClosed) { _ = try await connection.read() }
    }
  }

  @Test(arguments: [
    ("DNS:localhost", -20 ... -10, "localhost", "expired"),
    ("DNS:localhost", 10...20, "localhost", "not yet valid"),
    ("DNS:other.example", -1...100, "localhost", "another host"),
    ("DNS:localhost", -1...100, "127.0.0.1", "another host"),
  ])
  func refusesCertificates(
    _ names: String, _ days: ClosedRange<Int>, _ host: String, _ reason: String
  ) async throws {
    let authority = try TestAuthority()
    try await withEcho(try authority.issue(names, days: days)) { connect in
      let error = try await failure(
        of: try await connect(), trust: .file(authority.file), host: host)
      let text = "\(try #require(error))"
      #expect(text.contains("the certificate of \(host)") && text.contains(reason), "\(text)")
    }
  }

  @Test func refusesUnknownAuthorities() async throws {
    let (authority, other) = (try TestAuthority(), try TestAuthority(name: "another"))
    try await withEcho(try authority.issue()) { connect in
      for trust in [TLSTrust.file(other.file), .system] {
        let error = try await failure(of: try await connect(), trust: trust, host: "localhost")
        #expect("\(try #require(error))".contains("SSL_CERT_FILE"))
      }
    }
  }

  @Test func refusesOldVersions() async throws {
    let authority = try TestAuthority()
    let issued = try authority.issue()
    let server = try TLSContext.server(certificate: issued.certificate, key: issued.key)
    for context in [server, try TLSContext.client(trust: .system)] {
      #expect(
        SSL_CTX_ctrl(context.handle, SSL_CTRL_GET_MIN_PROTO_VERSION, 0, nil) == TLS1_2_VERSION)
    }
  }

  @Test(arguments: [
    ("HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak TLS"), ("", "during the handshake"),
  ])
  func saysThatAPeerSpeaksNoTLS(_ answer: String, _ reason: String) async throws {
    try await withServer(PlainHandler(answer: answer)) { connect in
      let error = try await failure(of: try await connect(), trust: .system, host: "localhost")
      #expect("\(try #require(error))".contains(reason))
    }
  }

  /// What came in the clear must not pass for what came protected.
  @Test func refusesBytesFromBeforeTheHandshake() async throws {
    try await withServer(PlainHandler(greeting: "HTTP/1.1 200 OK\r\n\r\n")) { connect in
      let connection = try await connect()
      #expect(try await connection.read() != nil)
      await #expect(throws: TransportError.self) {
        try await connection.startTLS(try .client(trust: .system), host: "localhost")
      }
    }
  }

  @Test func givesSilentPeersUp() async throws {
    var options = ConnectionOptions()
    options.readTimeout = .milliseconds(20)
    try await withServer(PlainHandler(), options: options) { connect in
      let connection = try await connect()
      await #expect(throws: TransportError.timedOut) { _ = try await connection.read() }
    }
  }

  @Test func refusesFilesWithoutCertificates() throws {
    let authority = try TestAuthority()
    let issued = try authority.issue()
    let missing = #expect(throws: TransportError.self) {
      try TLSContext.client(trust: .file("/nowhere.pem"))
    }
    #expect("\(try #require(missing))".contains("No such file"))
    #expect(throws: TransportError.self) { try TLSContext.client(trust: .file(issued.key)) }
    #expect(throws: TransportError.self) {
      try TLSContext.server(certificate: issued.key, key: issued.key)
    }
    #expect(throws: TransportError.self) {
      try TLSContext.server(certificate: issued.certificate, key: issued.certificate)
    }
  }

  @Test(arguments: ["", "a\u{0}b"])
  func refusesNonsenseAsHost(_ host: String) async throws {
    try await withServer(PlainHandler()) { connect in
      let connection = try await connect()
      await #expect(throws: TransportError.self) {
        try await connection.startTLS(try .client(trust: .system), host: host)
      }
    }
  }
}
