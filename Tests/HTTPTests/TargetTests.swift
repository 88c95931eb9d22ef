// Request targets, request ids and dates.

import HTTPTypes
import Testing

@testable import HTTP

@Suite struct TargetTests {
  @Test func decodesAfterSplitting() throws {
    let target = try #require(RequestTarget("/a%2Fb/c%20d/?x=1%262&y=a+b&z&=v"))
    #expect(target.path == "/a/b/c d/")
    #expect(target.segments == ["a/b", "c d", ""])
    #expect(target.query.map(\.name) == ["x", "y", "z", ""])
    #expect(target.query.map(\.value) == ["1&2", "a b", "", "v"])
  }

  @Test func keepsUnicode() throws {
    let target = try #require(RequestTarget("/%E6%A8%A1%E5%9E%8B?q=%F0%9F%90%A6"))
    #expect(target.segments == ["模型"])
    #expect(target.query.first?.value == "🐦")
  }

  @Test(arguments: ["/%", "/%1", "/%GG", "/%00", "/%C3", "/?%C3%28=x", "/?a=%"])
  func refusesBrokenEscapes(_ target: String) { #expect(RequestTarget(target) == nil) }

  @Test func acceptsSaneRequestIDs() {
    #expect(RequestID.accepting("req_1.2:3/4+5=6@7~8-9") == "req_1.2:3/4+5=6@7~8-9")
    #expect(RequestID.accepting(String(repeating: "a", count: 128)).count == 128)
  }

  @Test(arguments: ["", " ", "a b", "a\"b", "a\nb", "ü", "a;b", String(repeating: "a", count: 129)])
  func replacesOtherRequestIDs(_ inbound: String) {
    let id = RequestID.accepting(inbound)
    #expect(id != inbound)
    #expect(id.count == 32)
  }

  @Test func requestIDsDiffer() {
    #expect(Set((0..<1000).map { _ in RequestID.make() }).count == 1000)
  }

  @Test func dates() {
    #expect(
      String(decoding: HTTPDate.format(784_111_777), as: UTF8.self)
        == "Sun, 06 Nov 1994 08:49:37 GMT")
  }

  @Test func locations() throws {
    let plain = try HTTPLocation("http://localhost:8080/a?b#c")
    #expect(plain.host == "localhost" && plain.port == 8080 && plain.target == "/a?b")
    let short = try HTTPLocation("HTTP://example.org")
    #expect(short.port == 80 && short.target == "/" && short.authority == "example.org")
    let v6 = try HTTPLocation("http://[::1]:81?x")
    #expect(v6.host == "::1" && v6.port == 81 && v6.target == "/?x" && v6.authority == "[::1]:81")
    let secure = try HTTPLocation("https://Example.org/a")
    #expect(secure.isSecure && secure.port == 443 && secure.authority == "Example.org")
    #expect(secure.origin == "https://example.org" && plain.origin == "http://localhost:8080")
  }

  @Test(arguments: [
    ("https://b/x", "https://b/x"), ("//b:8/x", "https://b:8/x"), ("/x?y", "https://a:1/x?y"),
    ("x", "https://a:1/d/x"), ("?q=a:b", "https://a:1/d/?q=a:b"),
    ("x?u=http://c", "https://a:1/d/x?u=http://c"),
  ])
  func redirects(_ reference: String, _ expected: String) throws {
    #expect(try HTTPLocation("https://a:1/d/e?f=g/h").resolving(reference).url == expected)
  }

  @Test(arguments: ["ftp://b/", "data:x", "http://u@b/", "http://b/ü"])
  func refusesRedirects(_ reference: String) throws {
    let location = try HTTPLocation("https://a/")
    #expect(throws: HTTPError.self) { try location.resolving(reference) }
  }

  @Test(arguments: [
    "a", "http://", "http://a b/", "http://a:x/", "http://a/ü", "ftp://a",
  ])
  func refusesOtherURLs(_ url: String) {
    #expect(throws: HTTPError.self) { try HTTPLocation(url) }
  }
}
