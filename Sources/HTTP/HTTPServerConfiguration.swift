// The server's limits and patience. The defaults are those that the trusted servers have.

package struct HTTPServerConfiguration: Sendable {
  package var host = "127.0.0.1"
  /// 0 takes a free one; `HTTPServer.start` returns it.
  package var port = 8080

  package var maximumConnections = 1024
  /// For routes that name no limit of their own; more is answered 413.
  package var maximumBodyBytes = 16 << 20
  package var limits = RequestLimits()

  /// From a request's first byte to the end of its head.
  package var headTimeout: Duration = .seconds(60)
  /// For each KiB of a body.
  package var bodyTimeout: Duration = .seconds(60)
  /// Between requests.
  package var keepAliveTimeout: Duration = .seconds(75)
  /// A client that takes no byte of its answer for so long is dropped.
  package var writeTimeout: Duration = .seconds(60)

  package init(host: String = "127.0.0.1", port: Int = 8080) {
    self.host = host
    self.port = port
  }
}

/// How much of a head, or of what surrounds the chunks of a body, is read at all.
package struct RequestLimits: Sendable {
  package var targetBytes = 8192
  package var fieldCount = 100
  package var fieldBytes = 32 << 10
  /// Chunk extensions and trailers of one body together.
  package var chunkOverheadBytes = 16 << 10

  package init() {}
}

/// Where the server listens.
package struct BoundAddress: Sendable, Hashable {
  package var host: String
  package var port: Int

  package init(host: String, port: Int) {
    self.host = host
    self.port = port
  }
}
