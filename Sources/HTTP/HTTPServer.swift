// An HTTP/1.1 server on one event loop. `start` listens; `drain` lets what is under way finish;
// `stop` does not.

package import Logging
import Transport

package final class HTTPServer: Sendable {
  private let core: ServerCore
  private let loop: EventLoop

  /// Throws when the system refuses an event loop.
  package init(
    configuration: HTTPServerConfiguration = .init(), router: Router, logger: Logger
  ) throws {
    core = ServerCore(configuration: configuration, router: router, logger: logger)
    loop = try EventLoop.running(label: "martlet.http")
  }

  deinit { loop.shutdownSoon() }

  /// Listens on the configured address. Throws a `TransportError` that says what is in the way.
  package func start() async throws -> BoundAddress {
    let configuration = core.configuration
    let addresses = try await SocketAddress.resolve(
      host: configuration.host, port: configuration.port)
    var options = ConnectionOptions()
    options.writeTimeout = configuration.writeTimeout
    let bound = try await loop.listen(
      on: addresses, maximumConnections: configuration.maximumConnections, options: options
    ) { [core] in ServerConnection(core: core) }
    core.logger.debug("listening", metadata: ["address": "\(bound)"])
    return BoundAddress(host: bound.host, port: bound.port)
  }

  package var connectionCount: Int { core.connectionCount }

  /// Closes idle connections, lets requests under way finish until the deadline, cancels the tasks
  /// of those that are left, gives them a second to say so, and stops. Till then connections that
  /// are new are good for one request each, so that probes and clients are told; nothing waits for
  /// those.
  package func drain(deadlineSeconds: Double) async {
    core.beginDraining()
    await loop.forEachConnection(ServerConnection.self) { handler, connection, loop in
      handler.closeIfIdle(connection, on: loop)
    }
    await waitUntilEmpty(atMost: .seconds(max(0, deadlineSeconds)))
    await loop.forEachConnection(ServerConnection.self) { handler, connection, loop in
      handler.cut(connection, on: loop)
    }
    await waitUntilEmpty(atMost: .seconds(1))
    await stop()
  }

  /// Closes everything at once. The server cannot be started again.
  package func stop() async { await loop.shutdown() }

  private func waitUntilEmpty(atMost limit: Duration) async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { [core] in await core.waitUntilEmpty() }
      group.addTask { try? await Task.sleep(for: limit) }
      await group.next()
      group.cancelAll()
    }
  }
}
