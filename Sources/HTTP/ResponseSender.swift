// Sends one response from the request's own task: whole, or as a stream with back-pressure.

import HTTPTypes
import Transport

struct ResponseSender: Sendable {
  let core: ServerCore
  let loop: EventLoop
  let connection: ConnectionID
  let exchange: Exchange

  func send(_ response: Response) async {
    let keepsAlive =
      exchange.keepsAlive && !core.isDraining
      && !FieldSyntax.list(response.headers[.connection] ?? "").contains("close")
    guard case .stream(let produce) = response.body, Self.hasBody(response.status) else {
      let bytes = Self.whole(response, exchange, keepsAlive: keepsAlive)
      return await finish(bytes, keepsAlive: keepsAlive)
    }
    await stream(response, keepsAlive: keepsAlive && exchange.minorVersion >= 1, produce)
  }

  /// A response that is not a stream, as bytes.
  static func whole(_ response: Response, _ exchange: Exchange, keepsAlive: Bool) -> [UInt8] {
    var body: [UInt8] = []
    if case .bytes(let bytes) = response.body { body = bytes }
    guard hasBody(response.status) else {
      return MessageWriter.head(
        response, framing: .none, exchange: exchange, keepsAlive: keepsAlive)
    }
    let head = MessageWriter.head(
      response, framing: .length(body.count), exchange: exchange, keepsAlive: keepsAlive)
    return exchange.isHead ? head : head + body
  }

  /// RFC 9112 section 6.3: these end with their head.
  private static func hasBody(_ status: HTTPResponse.Status) -> Bool {
    status.kind != .informational && status != .noContent && status != .notModified
  }

  private func stream(
    _ response: Response, keepsAlive: Bool,
    _ produce: @Sendable (any ResponseStream) async throws -> Void
  ) async {
    let isChunked = exchange.minorVersion >= 1
    let head = MessageWriter.head(
      response, framing: isChunked ? .chunked : .untilClose, exchange: exchange,
      keepsAlive: keepsAlive)
    if exchange.isHead { return await finish(head, keepsAlive: keepsAlive) }
    do {
      let writer = ChunkWriter(loop: loop, connection: connection, isChunked: isChunked)
      try await writer.send(head)
      try await produce(writer)
      await finish(isChunked ? MessageWriter.lastChunk : [], keepsAlive: keepsAlive)
    } catch {
      // Without the last chunk the client can tell that this is not the whole of it.
      core.logger.debug("response cut short: \(error)")
      await loop.withConnection(connection, ServerConnection.self) { _, connection, loop in
        connection.finish(on: loop)
      }
    }
  }

  private func finish(_ bytes: [UInt8], keepsAlive: Bool) async {
    await loop.withConnection(connection, ServerConnection.self) { handler, connection, loop in
      handler.finishAnswer(bytes, keepsAlive: keepsAlive, connection, on: loop)
    }
  }
}

/// The body of a response on its way out.
private struct ChunkWriter: ResponseStream {
  let loop: EventLoop
  let connection: ConnectionID
  let isChunked: Bool

  func write(_ bytes: [UInt8]) async throws {
    // An empty chunk would end the body.
    guard !bytes.isEmpty else { return }
    try await send(isChunked ? MessageWriter.chunk(bytes) : bytes)
  }

  func send(_ bytes: [UInt8]) async throws(HTTPError) {
    do throws(TransportError) {
      try await loop.send(bytes, to: connection, unlessHungUp: true)
    } catch {
      throw .clientGone
    }
  }
}
