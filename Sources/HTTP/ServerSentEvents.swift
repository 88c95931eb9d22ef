// A stream of server-sent events: frames whole events, and sends comment lines while nothing else
// is said, so that proxies and clients don't take a long silence for a dead connection.
// Only `data:` and comments are ever sent: clients of the OpenAI interface expect nothing else.

package import HTTPTypes
import Synchronization

package struct ServerSentEvents: Sendable {
  private let stream: any ResponseStream
  private let silence: Silence

  /// Shorter than the patience of the usual proxies.
  package static let standardHeartbeat = Duration.seconds(15)

  /// Answers 200 with an event stream. The body runs in the request's task; the heartbeat stops
  /// when it returns. An error that it throws cuts the connection.
  package static func response(
    heartbeat: Duration = standardHeartbeat, headers: HTTPFields = [:],
    _ body: @escaping @Sendable (ServerSentEvents) async throws -> Void
  ) -> Response {
    var headers = headers
    headers[.contentType] = "text/event-stream"
    headers[.cacheControl] = "no-cache"
    // nginx holds events back otherwise.
    headers[.xAccelBuffering] = "no"
    return Response(
      .ok, headers: headers,
      body: .stream { stream in
        let events = ServerSentEvents(stream: stream, silence: Silence())
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask { try await events.beat(every: heartbeat) }
          try await body(events)
          group.cancelAll()
        }
      })
  }

  /// One event. Line breaks in the payload become lines of the same event.
  package func data(_ payload: [UInt8]) async throws {
    var frame: [UInt8] = []
    frame.reserveCapacity(payload.count + 8)
    for line in Self.lines(payload) {
      frame.append(contentsOf: "data: ".utf8)
      frame.append(contentsOf: line)
      frame.append(UInt8(ascii: "\n"))
    }
    frame.append(UInt8(ascii: "\n"))
    try await write(frame)
  }

  /// A line that clients ignore.
  package func comment(_ text: String = "") async throws {
    let line = text.utf8.filter { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
    try await write(
      Array(":".utf8) + (line.isEmpty ? [] : Array(" ".utf8)) + line + Array("\n\n".utf8))
  }

  /// OpenAI's end of a stream: `data: [DONE]`. The heartbeat ends with it.
  package func done() async throws {
    silence.end()
    try await data(Array("[DONE]".utf8))
  }

  private func write(_ frame: [UInt8]) async throws {
    silence.noteWrite()
    try await stream.write(frame)
  }

  /// CR LF, CR and LF all end a line of an event stream.
  private static func lines(_ payload: [UInt8]) -> [ArraySlice<UInt8>] {
    guard payload.contains(where: { $0 == 10 || $0 == 13 }) else { return [payload[...]] }
    var lines: [ArraySlice<UInt8>] = []
    var start = 0
    var index = 0
    while index < payload.count {
      if payload[index] == 10 || payload[index] == 13 {
        lines.append(payload[start..<index])
        if payload[index] == 13, index + 1 < payload.count, payload[index + 1] == 10 { index += 1 }
        start = index + 1
      }
      index += 1
    }
    return lines + [payload[start...]]
  }

  private func beat(every interval: Duration) async throws {
    while let duration = silence.duration {
      let rest = interval - duration
      if rest > .zero {
        try await Task.sleep(for: rest)
      } else {
        try await comment("ping")
      }
    }
  }
}

/// How long nothing has been written.
private final class Silence: Sendable {
  private let lastWrite = Mutex<ContinuousClock.Instant?>(.now)

  /// nil once nothing more is to be written.
  var duration: Duration? { lastWrite.withLock { $0?.duration(to: .now) } }

  func noteWrite() { lastWrite.withLock { if $0 != nil { $0 = .now } } }

  func end() { lastWrite.withLock { $0 = nil } }
}

extension HTTPField.Name {
  /// A constant that is a token; the fallback is never reached.
  static let xAccelBuffering = HTTPField.Name("X-Accel-Buffering") ?? .cacheControl
}
