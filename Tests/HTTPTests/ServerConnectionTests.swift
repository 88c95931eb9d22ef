// How connections end: timeouts, hang-ups, resets, draining, limits. Over live sockets.

import CLinux
import Glibc
import HTTP
import HTTPTypes
import Logging
import Synchronization
import Testing
import Transport

@Suite(.timeLimit(.minutes(1))) struct ServerConnectionTests {
  // MARK: Timeouts

  @Test(arguments: [
    "G", "GET / HTTP/1.1\r\nHost: a\r\nX",
    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
    "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
  ])
  func slowRequestsAreToldSo(_ beginning: String) async throws {
    try await withServer(testRouter()) {
      $0.headTimeout = .milliseconds(30)
      $0.bodyTimeout = .milliseconds(30)
    } _: { live async throws in
      // On a busy machine the timeout may come before our first byte, and then without a word.
      var answer = ""
      while answer.isEmpty { answer = (try? await live.exchange(beginning)) ?? "" }
      #expect(answer.hasPrefix("HTTP/1.1 408 ") && answer.contains("Connection: close\r\n"))
    }
  }

  @Test func idleConnectionsAreClosedSilently() async throws {
    try await withServer(testRouter()) {
      $0.headTimeout = .milliseconds(30)
    } _: { live async throws in
      #expect(try await live.exchange("") == "")
    }
    try await withServer(testRouter()) {
      $0.keepAliveTimeout = .milliseconds(30)
    } _: { live async throws in
      let connection = try await live.connect()
      try await connection.send(request("GET /hello"))
      #expect(try await connection.response().body == "hello")
      #expect(try await connection.rest() == "")
      try await live.waitUntilNoConnections()
    }
  }

  @Test func timeoutsSpareAnswersUnderWay() async throws {
    var router = testRouter()
    router.add(.get, "/slow") { _ in
      ServerSentEvents.response { events in
        for n in 0..<5 {
          try await Task.sleep(for: .milliseconds(40))
          try await events.data(Array("\(n)".utf8))
        }
      }
    }
    try await withServer(router) {
      $0.headTimeout = .milliseconds(20)
      $0.bodyTimeout = .milliseconds(20)
      $0.keepAliveTimeout = .milliseconds(20)
      $0.writeTimeout = .milliseconds(20)
    } _: { live async throws in
      // On a busy machine the timeouts may come before the request does.
      var body: [UInt8]?
      while body == nil { body = try? await live.client.request(.get, live.url("/slow")).body }
      #expect(String(decoding: body ?? [], as: UTF8.self).hasSuffix("data: 4\n\n"))
    }
  }

  @Test func clientsThatTakeNothingAreDropped() async throws {
    let dropped = Event()
    var router = testRouter()
    router.add(.get, "/endless") { _ in
      Response(
        .ok,
        body: .stream { stream in
          defer { dropped.signal() }
          while true { try await stream.write([UInt8](repeating: 120, count: 1 << 16)) }
        })
    }
    try await withServer(router) {
      $0.writeTimeout = .milliseconds(50)
    } _: { live async throws in
      let connection = try await live.connect()
      try await connection.send(request("GET /endless"))
      await dropped.wait()
      try await live.waitUntilNoConnections()
    }
  }

  // MARK: Hang-ups

  enum Parting: CaseIterable, Sendable { case close, reset, halfClose }

  @Test(arguments: Parting.allCases, [false, true])
  func hangingUpCancelsTheHandler(_ parting: Parting, streaming: Bool) async throws {
    let (started, cancelled) = (Event(), Event())
    var router = testRouter()
    router.add(.post, "/compute") { _ in
      if streaming {
        return ServerSentEvents.response { _ in
          started.signal()
          await waitForCancellation(cancelled)
        }
      }
      started.signal()
      await waitForCancellation(cancelled)
      return .text("cancelled")
    }
    try await withServer(router) { live async throws in
      let connection = try await live.connect()
      try await connection.send(request("POST /compute", "Content-Length: 1", body: "x"))
      await started.wait()
      switch parting {
      case .close: await connection.raw.close()
      case .reset: await connection.raw.abort()
      case .halfClose: await connection.raw.finishOutput()
      }
      await cancelled.wait()
      if parting != .halfClose { try await live.waitUntilNoConnections() }
    }
  }

  /// A hang-up is noticed behind input that the server has not read: here more pipelined requests
  /// than it keeps.
  @Test func hangingUpBehindPipelinedRequestsCancels() async throws {
    let (started, cancelled) = (Event(), Event())
    var router = testRouter()
    router.add(.get, "/compute") { _ in
      started.signal()
      await waitForCancellation(cancelled)
      return .text("")
    }
    try await withServer(router) { live async throws in
      let connection = try await live.connect()
      let flood = String(repeating: request("GET /compute"), count: 3000)
      try await connection.send(flood)
      await started.wait()
      await connection.raw.finishOutput()
      await cancelled.wait()
    }
  }

  @Test func hangingUpStopsABusyStream() async throws {
    let stopped = Event()
    var router = testRouter()
    router.add(.get, "/endless") { _ in
      ServerSentEvents.response { events in
        defer { stopped.signal() }
        while true { try await events.data([UInt8](repeating: 120, count: 1000)) }
      }
    }
    try await withServer(router) { live async throws in
      let connection = try await live.connect()
      try await connection.send(request("GET /endless"))
      _ = try await connection.read(through: "data: x")
      await connection.raw.close()
      await stopped.wait()
    }
  }

  @Test func halfClosedClientsGetTheirAnswers() async throws {
    try await withServer(testRouter()) { live async throws in
      let connection = try await live.connect()
      try await connection.send(
        request("GET /hello") + request("GET /late/1")
          + request("POST /echo", "Content-Length: 2", body: "ab"))
      await connection.raw.finishOutput()
      #expect(try await connection.response().body == "hello")
      #expect(try await connection.response().body == "late 1")
      #expect(try await connection.response().body == "ab")
      #expect(try await connection.rest() == "")
    }
  }

  @Test(arguments: ["GET / HT", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"])
  func requestsThatEndTooSoonAreRefused(_ beginning: String) async throws {
    try await withServer(testRouter()) { live async throws in
      let connection = try await live.connect()
      try await connection.send(beginning)
      await connection.raw.finishOutput()
      #expect(try await connection.rest().hasPrefix("HTTP/1.1 400 "))
    }
  }

  @Test(arguments: [
    "", "GET /hel", request("POST /echo", "Content-Length: 9", body: "abc"), request("GET /hello"),
    request("GET /stream"),
  ])
  func survivesResets(_ beginning: String) async throws {
    var router = testRouter()
    router.add(.get, "/stream") { _ in
      ServerSentEvents.response { events in
        while true { try await events.data([UInt8](repeating: 120, count: 10_000)) }
      }
    }
    try await withServer(router) { live async throws in
      for _ in 0..<20 {
        let connection = try await live.connect()
        if !beginning.isEmpty { try await connection.send(beginning) }
        await connection.raw.abort()
      }
      try await live.waitUntilNoConnections()
      #expect(try await live.client.request(.get, live.url("/hello")).status == .ok)
    }
  }

  // MARK: Limits

  @Test func connectionsBeyondTheLimitWait() async throws {
    try await withServer(testRouter()) {
      $0.maximumConnections = 2
    } _: { live async throws in
      let first = try await live.connect()
      let second = try await live.connect()
      for connection in [first, second] {
        try await connection.send(request("GET /hello"))
        _ = try await connection.response()
      }
      let third = try await live.connect()
      try await third.send(request("GET /hello"))
      // The third is in the kernel's queue; the others are still served.
      try await first.send(request("GET /late/1"))
      #expect(try await first.response().body == "late 1")
      #expect(live.server.connectionCount == 2)
      await second.raw.close()
      #expect(try await third.response().body == "hello")
    }
  }

  // MARK: Draining

  @Test func drainingFinishesWhatIsUnderWay() async throws {
    let (started, release) = (Event(), Event())
    var router = testRouter()
    router.add(.get, "/work") { _ in
      started.signal()
      await release.wait()
      return .text("done")
    }
    try await withServer(router) { live async throws in
      let (busy, idle) = (try await live.connect(), try await live.connect())
      try await idle.send(request("GET /hello"))
      _ = try await idle.response()
      try await busy.send(request("GET /work"))
      await started.wait()
      let new = try await live.connect()
      while live.server.connectionCount < 3 { await Task.yield() }
      let drain = Task { [server = live.server] in await server.drain(deadlineSeconds: 30) }
      #expect(try await idle.rest() == "")
      // Who comes now is answered once, and not waited for.
      let (late, silent) = (try await live.connect(), try await live.connect())
      try await late.send(request("GET /hello"))
      #expect(try await late.rest().contains("Connection: close\r\n"))
      // So is who had connected and not asked yet.
      try await new.send(request("GET /hello"))
      #expect(try await new.rest().contains("Connection: close\r\n"))
      #expect(live.server.connectionCount == 1)
      release.signal()
      let answer = try await busy.rest()
      #expect(answer.contains("Connection: close\r\n") && answer.hasSuffix("done"))
      await drain.value
      #expect(live.server.connectionCount == 0)
      #expect(try await silent.rest() == "")
      await #expect(throws: TransportError.self) { _ = try await live.connect() }
    }
  }

  @Test func theDeadlineOfADrainCutsStreamsWithAWord() async throws {
    let (started, cancelled) = (Event(), Event())
    var router = testRouter()
    router.add(.get, "/work") { _ in
      ServerSentEvents.response { events in
        try await events.data(Array("begun".utf8))
        started.signal()
        await waitForCancellation(cancelled)
        try await events.data(Array("cut short".utf8))
      }
    }
    try await withServer(router) { live async throws in
      let stream = try await live.client.stream(.get, live.url("/work"))
      await started.wait()
      await live.server.drain(deadlineSeconds: 0)
      let text = String(decoding: try await stream.wholeBody(), as: UTF8.self)
      #expect(text == "data: begun\n\ndata: cut short\n\n")
      #expect(cancelled.hasHappened)
    }
  }

  @Test func stoppingClosesEverything() async throws {
    let (started, cancelled) = (Event(), Event())
    var router = testRouter()
    router.add(.get, "/work") { _ in
      started.signal()
      await waitForCancellation(cancelled)
      return .text("")
    }
    try await withServer(router) { live async throws in
      let connection = try await live.connect()
      try await connection.send(request("GET /work"))
      await started.wait()
      await live.server.stop()
      await cancelled.wait()
      #expect(try await connection.rest() == "")
      #expect(live.server.connectionCount == 0)
    }
  }

  // MARK: Starting

  @Test func saysThatThePortIsInUse() async throws {
    try await withServer(testRouter()) { live async throws in
      let configuration = HTTPServerConfiguration(port: live.address.port)
      let second = try HTTPServer(
        configuration: configuration, router: testRouter(), logger: Logger(label: "test"))
      let error = await #expect(throws: TransportError.self) { try await second.start() }
      #expect(error == .addressInUse(address: "127.0.0.1:\(live.address.port)"))
      #expect(error?.description.contains("already in use") == true)
    }
  }

  @Test func aPortCanBeTakenAgainAtOnce() async throws {
    var port = 0
    for _ in 0..<3 {
      try await withServer(testRouter()) {
        $0.port = port
      } _: { live async throws in
        port = live.address.port
        #expect(try await live.client.request(.get, live.url("/hello")).status == .ok)
      }
    }
  }

  @Test func listensOnIPv6() async throws {
    guard clinux_stream_socket(AF_INET6) >= 0 else { return }
    try await withServer(testRouter()) {
      $0.host = "::1"
    } _: { live async throws in
      let url = "http://[::1]:\(live.address.port)/hello"
      #expect(try await live.client.request(.get, url).status == .ok)
    }
  }
}
