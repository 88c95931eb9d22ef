// What the server accepts and refuses, over live sockets.

import HTTP
import HTTPTypes
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1))) struct ServerRequestTests {
  /// Every refusal of the corpus: its status, our rendering, and the end of the connection.
  @Test func refusesTheCorpus() async throws {
    var router = testRouter()
    router.add(.post, "/p", maximumBodyBytes: 1000) { _ in .text("ok") }
    router.add(.get, "/", inline: true) { _ in .text("ok") }
    try await withServer(router) { live async throws in
      for sample in ParserCorpus.all where sample.isRefused {
        let answer = try await live.exchange(sample.bytes)
        let last = try #require(answer.components(of: "HTTP/1.1 ").last, "\(sample.name)")
        #expect(last.hasPrefix(sample.expected.last ?? ""), "\(sample.name): \(answer)")
        #expect(last.contains("Connection: close\r\n"), "\(sample.name)")
        #expect(last.contains("\r\n\r\n{\"error\":\""), "\(sample.name)")
      }
    }
  }

  /// One request of each kind, a byte at a time and cut at each place.
  @Test func piecesMakeNoDifference() async throws {
    let samples = [
      request("POST /echo", "Transfer-Encoding: chunked", body: "3\r\nabc\r\n0\r\nX: y\r\n\r\n"),
      request("POST /echo", "Content-Length: 3", "Expect: 100-continue", body: "abc"),
      request("GET /hello") + request("GET /late/1"),
      request("POST /echo", "Content-Length: 1, 1", body: "a"),
    ]
    try await withServer(testRouter()) { live async throws in
      for sample in samples {
        let bytes = Array((sample + request("GET /hello", "Connection: close")).utf8)
        let whole = Self.stripped(try await live.exchange(bytes))
        let connection = try await live.connect()
        for byte in bytes { try? await connection.raw.write([byte]) }
        #expect(Self.stripped(try await connection.rest()) == whole)
        for cut in stride(from: 1, to: bytes.count, by: 3) {
          let connection = try await live.connect()
          try? await connection.raw.write(Array(bytes[..<cut]))
          try? await connection.raw.write(Array(bytes[cut...]))
          #expect(Self.stripped(try await connection.rest()) == whole, "cut at \(cut)")
        }
      }
    }
  }

  /// Without what differs from answer to answer.
  private static func stripped(_ answer: String) -> [Substring] {
    answer.split(separator: "\r\n").filter {
      !$0.hasPrefix("Date: ") && !$0.hasPrefix("x-request-id: ")
    }
  }

  @Test func keepsConnectionsAlive() async throws {
    try await withServer(testRouter()) { live async throws in
      let connection = try await live.connect()
      for n in 0..<3 {
        try await connection.send(request("GET /late/\(n)"))
        let response = try await connection.response()
        #expect(response.status.hasPrefix("200 OK"))
        #expect(response.body == "late \(n)")
        #expect(!response.head.contains("Connection:"))
        #expect(response.head.contains("\r\nDate: "))
      }
      try await connection.send(request("GET /hello", "Connection: close"))
      #expect(try await connection.rest().hasSuffix("hello"))
    }
  }

  @Test func answersHTTP10() async throws {
    try await withServer(testRouter()) { live async throws in
      let plain = try await live.exchange("GET /hello HTTP/1.0\r\n\r\n")
      #expect(plain.hasPrefix("HTTP/1.1 200 OK\r\n") && plain.hasSuffix("\r\n\r\nhello"))
      let connection = try await live.connect()
      try await connection.send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
      #expect(try await connection.response().head.contains("Connection: keep-alive\r\n"))
      try await connection.send("GET /hello HTTP/1.0\r\n\r\n")
      #expect(try await connection.rest().contains("Connection: close\r\n"))
    }
  }

  @Test func answersPipelinedRequestsInOrder() async throws {
    let first = Event()
    let running = Mutex((now: 0, most: 0))
    var router = testRouter()
    router.add(.get, "/n/{n}") { request in
      running.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
      if request.parameters["n"] == "0" { await first.wait() }
      running.withLock { $0.now -= 1 }
      return .text("<\(request.parameters["n"] ?? "")>")
    }
    try await withServer(router) { live async throws in
      let connection = try await live.connect()
      // Far more than the server keeps in memory while the first is under way.
      let count = 500
      let padding = "X: " + String(repeating: "y", count: 300)
      let requests = (0..<count).map { request("GET /n/\($0)", padding) }.joined()
      let writer = Task { [raw = connection.raw] in try await raw.write(Array(requests.utf8)) }
      first.signal()
      for n in 0..<count {
        let body = try await connection.response().body
        guard body == "<\(n)>" else { throw UnexpectedEnd(received: "\(body) instead of \(n)") }
      }
      try await writer.value
      #expect(running.withLock { $0.most } == 1)
    }
  }

  @Test func answersHeadLikeGetWithoutBody() async throws {
    var router = testRouter()
    router.add(.get, "/stream") { _ in
      Response(.ok, body: .stream { _ in Issue.record("HEAD must not run the body") })
    }
    try await withServer(router) { live async throws in
      let connection = try await live.connect()
      try await connection.send(request("HEAD /hello"))
      let head = try await connection.read(through: "\r\n\r\n")
      #expect(head.contains("Content-Length: 5\r\n"))
      try await connection.send(request("HEAD /stream"))
      #expect(try await connection.read(through: "\r\n\r\n").contains("Transfer-Encoding: chunked"))
      try await connection.send(request("GET /hello"))
      #expect(try await connection.response().body == "hello")
    }
  }

  @Test func refusesOnHeadsAlone() async throws {
    try await withServer(testRouter()) { live async throws in
      func status(_ text: String) async throws -> String {
        let connection = try await live.connect()
        try await connection.send(text)
        return String(try await connection.response().status.prefix(3))
      }
      #expect(try await status(request("GET /nowhere")) == "404")
      #expect(try await status(request("POST /hello", "Content-Length: 3")) == "405")
      #expect(try await status(request("POST /echo")) == "411")
      #expect(try await status(request("PUT /optional")) == "200")
      // The body is never sent: the answers come all the same.
      #expect(try await status(request("POST /small", "Content-Length: 1001")) == "413")
      #expect(try await status(request("POST /nowhere", "Content-Length: 999999999")) == "404")
      #expect(
        try await status(request("POST /echo", "Expect: a miracle", "Content-Length: 1")) == "417")
    }
  }

  @Test func saysWhichMethodsAPathTakes() async throws {
    try await withServer(testRouter()) { live async throws in
      let connection = try await live.connect()
      try await connection.send(request("DELETE /hello"))
      let refusal = try await connection.response()
      #expect(refusal.head.contains("\r\nAllow: GET, HEAD\r\n"))
      // A refusal without a body in the way leaves the connection usable.
      try await connection.send(request("GET /hello"))
      #expect(try await connection.response().body == "hello")
    }
  }

  @Test func statusLinesHaveTheirPhrase() async throws {
    let router = testRouter { _ in Response(HTTPResponse.Status(code: 503)) }
    try await withServer(router) { live async throws in
      let connection = try await live.connect()
      try await connection.send(request("GET /hello"))
      #expect(try await connection.response().status == "503 Service Unavailable")
      // A method that HTTP knows and no path takes.
      try await connection.send(request("TRACE /hello"))
      #expect(try await connection.response().status == "405 Method Not Allowed")
    }
  }

  @Test func encodedBodiesAreRefusedBeforeTheyAreRead() async throws {
    try await withServer(testRouter()) { live async throws in
      let connection = try await live.connect()
      try await connection.send(
        request("POST /echo", "Content-Encoding: identity", "Content-Length: 2", body: "hi"))
      #expect(try await connection.response().body == "hi")
      try await connection.send(
        request("POST /echo", "Content-Encoding: GZIP", "Content-Length: 1000"))
      #expect(try await connection.rest().hasPrefix("HTTP/1.1 415 "))
    }
  }

  @Test func invitesBodiesOnlyAfterTheChecks() async throws {
    let router = testRouter { $0.headers[.authorization] == nil ? Response(.unauthorized) : nil }
    try await withServer(router) { live async throws in
      let expecting = ["Expect: 100-continue", "Content-Length: 5"]
      func answer(_ line: String, _ more: String) async throws -> (RawConnection, String) {
        let connection = try await live.connect()
        let fields = (expecting + [more]).joined(separator: "\r\n")
        try await connection.send("\(line) HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\n")
        return (connection, try await connection.read(through: "\r\n\r\n"))
      }
      #expect(try await answer("POST /echo", "X: y").1.hasPrefix("HTTP/1.1 401"))
      #expect(try await answer("POST /nowhere", "Authorization: x").1.hasPrefix("HTTP/1.1 404"))
      let (connection, invitation) = try await answer("POST /echo", "Authorization: x")
      #expect(invitation == "HTTP/1.1 100 Continue\r\n\r\n")
      try await connection.send("hello")
      #expect(try await connection.response().body == "hello")
      try await connection.send(
        request("POST /small", "Authorization: x", "Expect: 100-continue", "Content-Length: 1001"))
      #expect(try await connection.rest().hasPrefix("HTTP/1.1 413"))
    }
  }

  /// The answer must arrive though the client goes on sending: closing with unread input would
  /// reset the connection and destroy it.
  @Test func refusalsReachClientsThatGoOnSending() async throws {
    try await withServer(testRouter()) { live async throws in
      let connection = try await live.connect()
      let writer = Task { [raw = connection.raw] in
        try? await raw.write(
          Array(request("POST /small", "Transfer-Encoding: chunked", body: "7d0\r\n").utf8)
            + [UInt8](repeating: 120, count: 2 << 20))
      }
      #expect(try await connection.response().status.hasPrefix("413"))
      await connection.raw.close()
      await writer.value
    }
  }

  @Test func takesChunkedBodies() async throws {
    try await withServer(testRouter()) { live async throws in
      let connection = try await live.connect()
      let chunks = (0..<2000).map { "4\r\n\(1000 + $0)\r\n" }.joined() + "0\r\n\r\n"
      try await connection.send(request("POST /echo", "Transfer-Encoding: chunked", body: chunks))
      #expect(try await connection.response().body == (0..<2000).map { "\(1000 + $0)" }.joined())
    }
  }

  @Test func honoursAndMakesRequestIDs() async throws {
    try await withServer(testRouter()) { live async throws in
      let connection = try await live.connect()
      try await connection.send(request("GET /hello", "X-Request-ID: my-id-1"))
      #expect(try await connection.response().head.contains("x-request-id: my-id-1\r\n"))
      try await connection.send(request("GET /hello", "X-Request-ID: not <sane>"))
      let other = try await connection.response().head
      #expect(other.contains("x-request-id: ") && !other.contains("sane"))
      try await connection.send("nonsense\r\n")
      #expect(try await connection.response().head.contains("x-request-id: "))
    }
  }

  @Test func headersOfHandlersCannotBreakTheFraming() async throws {
    var router = testRouter()
    router.add(.get, "/odd") { _ in
      let headers: HTTPFields = [
        .contentLength: "99", .transferEncoding: "chunked", .location: "/a\r\nX-Evil: 1",
      ]
      return Response(.ok, headers: headers, body: .bytes(Array("body".utf8)))
    }
    router.add(.get, "/nothing") { _ in Response(.noContent, body: .bytes([1, 2, 3])) }
    try await withServer(router) { live async throws in
      let connection = try await live.connect()
      try await connection.send(request("GET /odd"))
      let odd = try await connection.response()
      #expect(odd.body == "body")
      #expect(!odd.head.contains("\r\nX-Evil") && !odd.head.contains("chunked"))
      try await connection.send(request("GET /nothing") + request("GET /hello"))
      let nothing = try await connection.response()
      #expect(nothing.status.hasPrefix("204") && !nothing.head.contains("Content-Length"))
      #expect(try await connection.response().body == "hello")
    }
  }
}

extension String {
  /// The parts that begin with the marker, without it.
  fileprivate func components(of marker: String) -> [Substring] {
    split(separator: marker, omittingEmptySubsequences: true)
  }
}
