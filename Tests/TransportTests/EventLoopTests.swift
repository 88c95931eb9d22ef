// The event loop with a protocol that only echoes: delivery, half-close, resets, back-pressure,
// late answers. No HTTP here.

import CLinux
import Glibc
import Testing

@testable import Transport

/// Sends back what comes, and ends when the peer does.
private final class Echo: ConnectionHandler {
  func opened(_ connection: Connection, on loop: isolated EventLoop) {}

  func received(
    _ bytes: UnsafeRawBufferPointer, from connection: Connection, on loop: isolated EventLoop
  ) {
    connection.write(Array(bytes), on: loop)
  }

  func hungUp(_ connection: Connection, on loop: isolated EventLoop) {}
  func ended(_ connection: Connection, on loop: isolated EventLoop) { connection.finish(on: loop) }
  func deadlinePassed(_ connection: Connection, on loop: isolated EventLoop) {}
  func closed(_ connection: Connection, on loop: isolated EventLoop) {}
}

@Suite(.timeLimit(.minutes(1))) struct EventLoopTests {
  private func withEcho(
    _ body: (_ loop: EventLoop, _ connect: () async throws -> ClientConnection) async throws -> Void
  ) async throws {
    let loop = try EventLoop.running(label: "test.echo")
    let clients = try EventLoop.running(label: "test.clients")
    let local = try await SocketAddress.resolve(host: "127.0.0.1", port: 0)
    let address = try await loop.listen(
      on: local, maximumConnections: 100, options: ConnectionOptions()
    ) { Echo() }
    try await body(loop) { try await ClientConnection.connect(to: [address], on: clients) }
    await loop.shutdown()
    await clients.shutdown()
  }

  @Test func echoes() async throws {
    try await withEcho { _, connect in
      let connection = try await connect()
      try await connection.write(Array("hello".utf8))
      var received: [UInt8] = []
      while received.count < 5 { received += try await connection.read() ?? [] }
      #expect(received == Array("hello".utf8))
      await connection.finishOutput()
      #expect(try await connection.read() == nil)
    }
  }

  /// More than all the buffers on the way hold, in both directions at once; and the last bytes
  /// arrive though both sides have ended.
  @Test func carriesMuch() async throws {
    try await withEcho { _, connect in
      let connection = try await connect()
      let pieces = (0..<400).map { n in [UInt8](repeating: UInt8(n & 255), count: 40_000) }
      let writer = Task {
        for piece in pieces { try await connection.write(piece) }
        await connection.finishOutput()
      }
      var received: [UInt8] = []
      while let bytes = try await connection.read() { received += bytes }
      try await writer.value
      #expect(received == pieces.flatMap { $0 })
    }
  }

  @Test func forgetsConnectionsThatReset() async throws {
    try await withEcho { loop, connect in
      for _ in 0..<50 {
        let connection = try await connect()
        try await connection.write([1, 2, 3])
        await connection.abort()
        await #expect(throws: TransportError.connectionClosed) { try await connection.write([4]) }
      }
      while await loop.connectionCount > 0 { await Task.yield() }
    }
  }

  @Test func aCancelledReadClosesTheConnection() async throws {
    try await withEcho { loop, connect in
      let connection = try await connect()
      let reader = Task { try await connection.read() }
      reader.cancel()
      await #expect(throws: (any Error).self) { _ = try await reader.value }
      while await loop.connectionCount > 0 { await Task.yield() }
    }
  }

  @Test func readsAfterShutdownEnd() async throws {
    try await withEcho { loop, connect in
      let connection = try await connect()
      try await connection.write([1])
      #expect(try await connection.read() == [1])
      await loop.shutdown()
      // A clean end or a reset, but an end.
      _ = try? await connection.read()
      let late = try EventLoop.running(label: "test.late")
      await late.shutdown()
      await late.shutdown()
    }
  }

  @Test func refusesAddressesInUse() async throws {
    let (first, second) = (
      try EventLoop.running(label: "test.1"), try EventLoop.running(label: "test.2")
    )
    let any = try await SocketAddress.resolve(host: "127.0.0.1", port: 0)
    let bound = try await first.listen(
      on: any, maximumConnections: 1, options: ConnectionOptions()
    ) { Echo() }
    await #expect(throws: TransportError.addressInUse(address: bound.description)) {
      _ = try await second.listen(
        on: [bound], maximumConnections: 1, options: ConnectionOptions()
      ) { Echo() }
    }
    await first.shutdown()
    // Free again.
    #expect(
      try await second.listen(on: [bound], maximumConnections: 1, options: ConnectionOptions()) {
        Echo()
      } == bound)
    await second.shutdown()
  }

  @Test func saysThatNothingListens() async throws {
    let loop = try EventLoop.running(label: "test")
    // Bound, so that nobody else gets the port, but not listening.
    let descriptor = clinux_stream_socket(AF_INET)
    defer { close(descriptor) }
    var storage = sockaddr_storage()
    storage.ss_family = sa_family_t(AF_INET)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    try #require(clinux_bind(descriptor, &storage, length) == 0)
    try #require(clinux_local_address(descriptor, &storage, &length) == 0)
    let bound = try #require(SocketAddress(storage, length: length))
    let error = await #expect(throws: TransportError.self) {
      _ = try await ClientConnection.connect(to: [bound], on: loop)
    }
    #expect(error?.description.contains("is the server running?") == true)
    await loop.shutdown()
  }
}
