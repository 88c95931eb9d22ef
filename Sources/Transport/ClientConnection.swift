// A connection for tasks: `connect`, then `read` and `write` that wait. Input is read ahead up to a
// limit, then the peer waits. Reads are for one task at a time; a cancelled read closes the
// connection, since what it waited for can no longer be told from what comes next.

import CLinux
import Dispatch
import Glibc

package struct ClientConnection: Sendable {
  private let loop: EventLoop
  private let id: ConnectionID
  private let input: InputBuffer

  /// Connects to the first of the addresses that answers.
  package static func connect(
    to addresses: [SocketAddress], on loop: EventLoop, timeoutSeconds: Int = 30,
    options: ConnectionOptions = .init()
  ) async throws(TransportError) -> ClientConnection {
    var failure = TransportError.unresolvable(host: "", reason: "no address given")
    for address in addresses {
      let result = await withCheckedContinuation { continuation in
        // poll(2) blocks, so not on Swift's cooperative threads.
        DispatchQueue.global().async {
          continuation.resume(
            returning: Result { () throws(TransportError) in
              try connectBlocking(to: address, timeoutSeconds: timeoutSeconds)
            })
        }
      }
      switch result {
      case .success(let descriptor):
        return await adopt(descriptor, peer: address, loop: loop, options: options)
      case .failure(let error): failure = error
      }
    }
    throw failure
  }

  /// The next bytes; nil once the peer has ended its direction. Throws when the connection was
  /// reset, or closed on this side.
  package func read() async throws -> [UInt8]? {
    let taken = try await withTaskCancellationHandler {
      try Task.checkCancellation()
      return try await input.take()
    } onCancel: {
      Task { await close() }
    }
    if taken.wasFull {
      await withConnection { connection, loop in connection.setReadingPaused(false, on: loop) }
    }
    return taken.bytes
  }

  package func write(_ bytes: [UInt8]) async throws(TransportError) {
    try await loop.send(bytes, to: id)
  }

  /// Speaks TLS from here on. What was written before must have gone, and been answered. Whether the
  /// server's certificate is accepted shows when its first answer is read.
  /// - Parameter host: the name or address that the certificate must be for
  package func startTLS(_ context: TLSContext, host: String) async throws(TransportError) {
    let started = await loop.withConnection(id, InputBuffer.self) { input, connection, loop in
      Result { () throws(TransportError) in
        // Bytes from before would pass for protected ones.
        guard input.isFresh else {
          throw .tlsFailed(peer: host, reason: "it sent something, or closed, before the handshake")
        }
        try connection.startTLS(context, host: host, on: loop)
      }
    }
    guard let started else { throw .connectionClosed }
    try started.get()
  }

  /// Ends this side's direction; reading goes on.
  package func finishOutput() async {
    await withConnection { connection, loop in connection.finishOutput(on: loop) }
  }

  package func close() async {
    await withConnection { connection, loop in connection.close(on: loop) }
  }

  /// Closes with a reset, as a crashed program would.
  package func abort() async {
    await withConnection { connection, loop in connection.abort(on: loop) }
  }

  private func withConnection(_ body: @Sendable (Connection, isolated EventLoop) -> Void) async {
    _ = await loop.withConnection(id, InputBuffer.self) { _, connection, loop in
      body(connection, loop)
    }
  }

  private static func adopt(
    _ descriptor: Int32, peer: SocketAddress, loop: EventLoop, options: ConnectionOptions
  ) async -> ClientConnection {
    let input = InputBuffer()
    let id = await loop.adopt(descriptor: descriptor, peer: peer, options: options, handler: input)
    return ClientConnection(loop: loop, id: id, input: input)
  }
}

/// A connected, non-blocking socket.
private func connectBlocking(
  to address: SocketAddress, timeoutSeconds: Int
) throws(TransportError) -> Int32 {
  let name = address.description
  let descriptor = clinux_stream_socket(address.family)
  guard descriptor >= 0 else { throw .cannotConnect(address: name, code: -descriptor) }
  _ = clinux_no_delay(descriptor)
  var code = -address.withStorage { clinux_connect(descriptor, $0, $1) }
  if code == EINPROGRESS {
    var watched = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    var ready = poll(&watched, 1, Int32(clamping: timeoutSeconds) &* 1000)
    while ready < 0, errno == EINTR { ready = poll(&watched, 1, Int32(timeoutSeconds) &* 1000) }
    code = ready > 0 ? clinux_socket_error(descriptor) : ready == 0 ? ETIMEDOUT : errno
  }
  guard code == 0 else {
    _ = close(descriptor)
    throw .cannotConnect(address: name, code: code)
  }
  return descriptor
}
