// Streamed answers and the client that reads them.

import HTTP
import HTTPTypes
import Synchronization
import Testing
import Transport

@Suite(.timeLimit(.minutes(1))) struct StreamingTests {
  @Test func framesEvents() async throws {
    var router = testRouter()
    router.add(.get, "/events") { _ in
      ServerSentEvents.response { events in
        try await events.data(Array("{\"a\":1}".utf8))
        try await events.data(Array("two\nlines\r\nor\rmore".utf8))
        try await events.data([])
        try await events.comment("a\nb")
        try await events.done()
      }
    }
    try await withServer(router) { live async throws in
      let answer = try await live.client.request(.get, live.url("/events"))
      #expect(answer.headers[.contentType] == "text/event-stream")
      #expect(answer.headers[.cacheControl] == "no-cache")
      #expect(answer.headers[HTTPField.Name("X-Accel-Buffering") ?? .age] == "no")
      #expect(answer.headers[.transferEncoding] == "chunked")
      #expect(
        String(decoding: answer.body, as: UTF8.self) == """
          data: {"a":1}

          data: two
          data: lines
          data: or
          data: more

          data: 

          : ab

          data: [DONE]


          """)
    }
  }

  @Test func beatsWhileSilent() async throws {
    let release = Event()
    var router = testRouter()
    router.add(.get, "/quiet") { _ in
      ServerSentEvents.response(heartbeat: .milliseconds(10)) { events in
        await release.wait()
        try await events.done()
      }
    }
    try await withServer(router) { live async throws in
      let stream = try await live.client.stream(.get, live.url("/quiet"))
      var pings = 0
      var others: [String] = []
      for try await line in stream.lines where !line.isEmpty {
        if line == ": ping" { pings += 1 } else { others.append(line) }
        if pings == 3 { release.signal() }
      }
      #expect(pings >= 3)
      #expect(others == ["data: [DONE]"])
    }
  }

  /// The head is on its way before the first byte of the body is there.
  @Test func sendsTheHeadAtOnce() async throws {
    let release = Event()
    var router = testRouter()
    router.add(.get, "/later") { _ in
      Response(
        .ok,
        body: .stream { stream in
          await release.wait()
          try await stream.write(Array("body".utf8))
          try await stream.write([])
          try await stream.write(Array("!".utf8))
        })
    }
    try await withServer(router) { live async throws in
      let stream = try await live.client.stream(.get, live.url("/later"))
      #expect(stream.status == .ok)
      release.signal()
      #expect(String(decoding: try await stream.wholeBody(), as: UTF8.self) == "body!")
    }
  }

  @Test func writersWaitForSlowReaders() async throws {
    let written = Atomic(0)
    let (piece, count) = (1 << 16, 1024)
    var router = testRouter()
    router.add(.get, "/large") { _ in
      Response(
        .ok,
        body: .stream { stream in
          for n in 0..<count {
            try await stream.write([UInt8](repeating: UInt8(n & 255), count: piece))
            written.add(1, ordering: .relaxed)
          }
        })
    }
    try await withServer(router) { live async throws in
      let stream = try await live.client.stream(.get, live.url("/large"))
      // Nothing is read until the writer stands still.
      var (before, still) = (-1, 0)
      while still < 10 {
        try await Task.sleep(for: .milliseconds(10))
        let now = written.load(ordering: .relaxed)
        still = now == before ? still + 1 : 0
        before = now
      }
      #expect(before < count, "the writer was never held back")
      var (received, isOrdered) = (0, true)
      for try await bytes in stream {
        for byte in [0, bytes.count - 1] where bytes[byte] != UInt8((received + byte) / piece & 255)
        {
          isOrdered = false
        }
        received += bytes.count
      }
      #expect(received == piece * count && isOrdered)
    }
  }

  @Test func brokenStreamsAreSeenAsBroken() async throws {
    struct Failure: Error {}
    var router = testRouter()
    router.add(.get, "/broken") { _ in
      Response(
        .ok,
        body: .stream { stream in
          try await stream.write(Array("half".utf8))
          throw Failure()
        })
    }
    try await withServer(router) { live async throws in
      await #expect(throws: HTTPError.self) {
        _ = try await live.client.request(.get, live.url("/broken"))
      }
      #expect(try await live.client.request(.get, live.url("/hello")).status == .ok)
    }
  }

  @Test func streamsToHTTP10UntilTheEnd() async throws {
    var router = testRouter()
    router.add(.get, "/stream") { _ in
      Response(.ok, body: .stream { try await $0.write(Array("all".utf8)) })
    }
    try await withServer(router) { live async throws in
      let answer = try await live.exchange("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
      #expect(answer.hasSuffix("\r\n\r\nall") && !answer.contains("chunked"))
      #expect(answer.contains("Connection: close\r\n"))
    }
  }

  @Test func keepsTheConnectionAfterAStream() async throws {
    var router = testRouter()
    router.add(.get, "/stream") { _ in
      Response(.ok, body: .stream { try await $0.write(Array("all".utf8)) })
    }
    try await withServer(router) { live async throws in
      let connection = try await live.connect()
      try await connection.send(request("GET /stream") + request("GET /hello"))
      #expect(
        try await connection.read(through: "0\r\n\r\n").hasSuffix("\r\n\r\n3\r\nall\r\n0\r\n\r\n"))
      #expect(try await connection.response().body == "hello")
    }
  }

  @Test func lettingGoOfAResponseHangsUp() async throws {
    let cancelled = Event()
    var router = testRouter()
    router.add(.get, "/endless") { _ in
      ServerSentEvents.response { _ in await waitForCancellation(cancelled) }
    }
    try await withServer(router) { live async throws in
      _ = try await live.client.stream(.get, live.url("/endless"))
      await cancelled.wait()
    }
  }

  @Test func cancellingTheClientHangsUp() async throws {
    let (started, cancelled) = (Event(), Event())
    var router = testRouter()
    router.add(.get, "/compute") { _ in
      started.signal()
      await waitForCancellation(cancelled)
      return .text("")
    }
    try await withServer(router) { live async throws in
      let call = Task { [client = live.client, url = live.url("/compute")] in
        try await client.request(.get, url)
      }
      await started.wait()
      call.cancel()
      await cancelled.wait()
      await #expect(throws: (any Error).self) { _ = try await call.value }
    }
  }

  @Test func clientPostsAndReadsFields() async throws {
    try await withServer(testRouter()) { live async throws in
      let body = [UInt8](repeating: 7, count: 3 << 20)
      let answer = try await live.client.request(
        .post, live.url("/echo"), headers: [.contentType: "x/y"], body: body)
      #expect(answer.status == .ok && answer.body == body)
      let missing = try await live.client.request(.get, live.url("/nowhere"))
      #expect(missing.status == .notFound)
    }
  }

  @Test func saysThatNothingListens() async throws {
    let port = try UnansweredPort()
    let client = try HTTPClient()
    let url = "http://127.0.0.1:\(port.number)/"
    let error = await #expect(throws: HTTPError.self) { _ = try await client.request(.get, url) }
    #expect("\(error as Any)".contains("is the server running?"))
  }
}
