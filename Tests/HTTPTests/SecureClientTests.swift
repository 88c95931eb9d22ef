// The client over TLS and through proxies, against handlers that say exactly what the test wants.

import FoundationEssentials
import HTTPTypes
import Synchronization
import TestTLS
import Testing
import Transport

@testable import HTTP

/// Answers each request head with what the closure says. Speaks TLS from the start, or after a CONNECT
/// that it lets through as a proxy in front of itself would.
private final class ScriptedServer: ConnectionHandler {
  typealias Script = @Sendable (_ head: String) -> String

  private let context: TLSContext
  private let isProxy: Bool
  private let script: Script
  private var received: [UInt8] = []

  init(_ context: TLSContext, isProxy: Bool, script: @escaping Script) {
    self.context = context
    self.isProxy = isProxy
    self.script = script
  }

  func opened(_ connection: Connection, on loop: isolated EventLoop) {
    if !isProxy { try? connection.startTLS(context, host: nil, on: loop) }
  }

  func received(
    _ bytes: UnsafeRawBufferPointer, from connection: Connection, on loop: isolated EventLoop
  ) {
    received.append(contentsOf: bytes)
    guard received.ends(with: Array("\r\n\r\n".utf8)) else { return }
    let head = String(decoding: received, as: UTF8.self)
    received = []
    let answer = script(head)
    connection.write(Array(answer.utf8), on: loop)
    if head.hasPrefix("CONNECT"), answer.hasPrefix("HTTP/1.1 200") {
      try? connection.startTLS(context, host: nil, on: loop)
    } else {
      connection.finish(on: loop)
    }
  }

  func hungUp(_ connection: Connection, on loop: isolated EventLoop) {}
  func ended(_ connection: Connection, on loop: isolated EventLoop) { connection.finish(on: loop) }
  func deadlinePassed(_ connection: Connection, on loop: isolated EventLoop) {}
  func closed(_ connection: Connection, on loop: isolated EventLoop) {}
}

extension [UInt8] {
  fileprivate func ends(with other: [UInt8]) -> Bool { suffix(other.count).elementsEqual(other) }
}

@Suite(.timeLimit(.minutes(1))) struct SecureClientTests {
  /// Runs the body with a client that trusts the server, and the server's port.
  private func withServer(
    isProxy: Bool = false, script: @escaping ScriptedServer.Script,
    _ body: (_ authority: TestAuthority, _ port: Int) async throws -> Void
  ) async throws {
    let authority = try TestAuthority()
    let issued = try authority.issue("DNS:localhost,IP:127.0.0.1,DNS:hub.example")
    let context = try TLSContext.server(certificate: issued.certificate, key: issued.key)
    let loop = try EventLoop.running(label: "test.server")
    let local = try await SocketAddress.resolve(host: "127.0.0.1", port: 0)
    let address = try await loop.listen(
      on: local, maximumConnections: 10, options: ConnectionOptions()
    ) { ScriptedServer(context, isProxy: isProxy, script: script) }
    let port = Int(address.description.split(separator: ":").last ?? "") ?? 0
    try await body(authority, port)
    await loop.shutdown()
  }

  private func client(_ authority: TestAuthority, proxy: String? = nil) throws -> HTTPClient {
    var configuration = HTTPClientConfiguration()
    configuration.trust = .file(authority.file)
    if let proxy {
      configuration.proxies = try ProxySettings(environment: ["HTTPS_PROXY": proxy])
    }
    return try HTTPClient(configuration)
  }

  @Test func fetchesOverTLS() async throws {
    let script: ScriptedServer.Script = { head in
      "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-Line: \(head.prefix { $0 != "\r\n" })\r\n\r\nbody"
    }
    try await withServer(script: script) { authority, port async throws in
      let client = try client(authority)
      for _ in 0..<2 {
        let answer = try await client.request(.get, "https://localhost:\(port)/a?b")
        #expect(answer.status == .ok && answer.body == Array("body".utf8))
        #expect(answer.headers[HTTPField.Name("X-Line") ?? .date] == "GET /a?b HTTP/1.1")
      }
      // An end in order ends a body without a length.
      let whole = try await client.stream(.head, "https://localhost:\(port)/").wholeBody()
      #expect(whole.isEmpty)
    }
  }

  @Test func namesHostAndReason() async throws {
    let script: ScriptedServer.Script = { _ in "" }
    try await withServer(script: script) { _, port async throws in
      let error = await #expect(throws: HTTPError.self) {
        _ = try await HTTPClient().request(.get, "https://localhost:\(port)/")
      }
      #expect("\(try #require(error))".contains("the certificate of localhost is not accepted"))
    }
  }

  @Test func limitsBodies() async throws {
    let script: ScriptedServer.Script = { _ in "HTTP/1.1 200 OK\r\n\r\n0123456789" }
    try await withServer(script: script) { authority, port async throws in
      let client = try client(authority)
      let url = "https://localhost:\(port)/"
      #expect(try await client.stream(.get, url).wholeBody(limit: 10).count == 10)
      await #expect(throws: HTTPError.self) {
        _ = try await client.stream(.get, url).wholeBody(limit: 9)
      }
    }
  }

  @Test func tunnelsThroughProxies() async throws {
    let heads = Mutex<[String]>([])
    let script: ScriptedServer.Script = { head in
      heads.withLock { $0.append(head) }
      return head.hasPrefix("CONNECT")
        ? "HTTP/1.1 200 Connection established\r\n\r\n"
        : "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    }
    try await withServer(isProxy: true, script: script) { authority, port async throws in
      let client = try client(authority, proxy: "http://me:p%40ss@127.0.0.1:\(port)/")
      // The name resolves nowhere but at the proxy.
      let answer = try await client.request(.get, "https://hub.example/x")
      #expect(answer.body == Array("ok".utf8))
    }
    let seen = heads.withLock { $0 }
    try #require(seen.count == 2)
    #expect(seen[0].hasPrefix("CONNECT hub.example:443 HTTP/1.1\r\nHost: hub.example:443\r\n"))
    #expect(seen[0].contains("Proxy-Authorization: Basic bWU6cEBzcw==\r\n"))
    #expect(seen[1].hasPrefix("GET /x HTTP/1.1\r\nHost: hub.example\r\n"))
    #expect(!seen[1].contains("Proxy-Authorization"))
  }

  @Test(arguments: [
    ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "user:password"),
    ("HTTP/1.1 403 Forbidden\r\n\r\n", "status 403"),
  ])
  func saysWhyAProxyRefuses(_ answer: String, _ reason: String) async throws {
    let script: ScriptedServer.Script = { _ in answer }
    try await withServer(isProxy: true, script: script) { authority, port async throws in
      let client = try client(authority, proxy: "127.0.0.1:\(port)")
      let error = await #expect(throws: HTTPError.self) {
        _ = try await client.request(.get, "https://hub.example/")
      }
      #expect("\(try #require(error))".contains(reason))
    }
  }

  @Test(arguments: [
    ("https://a.example/", true), ("http://a.example/", false), ("https://inside.corp/", false),
    ("https://x.INSIDE.corp/", false), ("https://notinside.corp/", true),
    ("https://10.0.0.1/", false),
    ("https://b.example/", true), ("https://b.example:8443/", false), ("https://[::1]/", false),
  ])
  func goesRoundProxies(_ url: String, _ isProxied: Bool) throws {
    let settings = try ProxySettings(environment: [
      "https_proxy": "http://proxy:3128",
      "NO_PROXY": "inside.corp, 10.0.0.1,b.example:8443,::1",
    ])
    #expect((settings.proxy(for: try HTTPLocation(url)) != nil) == isProxied)
  }

  @Test func readsProxiesFromTheEnvironment() throws {
    let location = try HTTPLocation("https://a/")
    func proxy(_ environment: [String: String]) throws -> String? {
      try ProxySettings(environment: environment).proxy(for: location)?.location.authority
    }
    #expect(try proxy([:]) == nil)
    #expect(try proxy(["HTTPS_PROXY": ""]) == nil)
    #expect(try proxy(["ALL_PROXY": "p:1"]) == "p:1")
    #expect(try proxy(["ALL_PROXY": "p:1", "HTTPS_PROXY": "q:2", "https_proxy": "r:3"]) == "r:3")
    #expect(try proxy(["HTTPS_PROXY": "p:1", "NO_PROXY": "*"]) == nil)
    let error = #expect(throws: HTTPError.self) {
      try proxy(["HTTPS_PROXY": "socks5://me:secret@p:1"])
    }
    #expect(!"\(try #require(error))".contains("secret"))
  }
}
