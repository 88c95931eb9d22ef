// The way from tasks into the loop: sending with back-pressure, and work on a connection's own
// protocol, which finds nothing where the connection has gone meanwhile.

extension EventLoop {
  /// Sends, and waits while too much output is pending. Throws when the connection is gone; with
  /// `unlessHungUp` also when the peer has ended its direction.
  package func send(
    _ bytes: [UInt8], to id: ConnectionID, unlessHungUp: Bool = false
  ) async throws(TransportError) {
    guard let connection = connections[id], !connection.isClosing,
      !(unlessHungUp && connection.hasHungUp)
    else { throw .connectionClosed }
    connection.write(bytes, on: self)
    guard connections[id] != nil else { throw .connectionClosed }
    guard connection.pendingOutputCount > connection.options.outputHighWater else { return }
    let delivered = await withCheckedContinuation { connection.addWaiter($0) }
    guard delivered || (!unlessHungUp && connections[id] != nil) else { throw .connectionClosed }
  }

  /// Takes a connected socket over.
  func adopt(
    descriptor: Int32, peer: SocketAddress, options: ConnectionOptions, handler: InputBuffer
  ) -> ConnectionID {
    adopt(SocketStream(descriptor: descriptor), peer: peer, options: options, handler: handler).id
  }

  /// Runs the body with a connection and its protocol, if the connection still exists.
  package func withConnection<Handler: ConnectionHandler, Result: Sendable>(
    _ id: ConnectionID, _ type: Handler.Type,
    _ body: @Sendable (Handler, Connection, isolated EventLoop) -> Result
  ) -> Result? {
    guard let connection = connections[id], let handler = connection.handler as? Handler
    else { return nil }
    return body(handler, connection, self)
  }

  /// Runs the body for each connection whose protocol is of the type.
  package func forEachConnection<Handler: ConnectionHandler>(
    _ type: Handler.Type, _ body: @Sendable (Handler, Connection, isolated EventLoop) -> Void
  ) {
    for connection in connections.all {
      if let handler = connection.handler as? Handler { body(handler, connection, self) }
    }
  }
}
