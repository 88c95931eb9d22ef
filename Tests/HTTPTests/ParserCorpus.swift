// Requests, good and bad, with what must become of them. One table, used by the parser tests, the
// fuzzer and the tests over live sockets.

import Testing

struct CorpusCase: Sendable, CustomTestStringConvertible {
  let name: String
  let bytes: [UInt8]
  /// One entry per request: `METHOD target body` when it is taken, a status when it is refused.
  let expected: [String]

  var testDescription: String { name }

  init(_ name: String, _ text: String, _ expected: String...) {
    self.init(name, bytes: Array(text.utf8), expected)
  }

  init(_ name: String, bytes: [UInt8], _ expected: [String]) {
    self.name = name
    self.bytes = bytes
    self.expected = expected
  }

  var isRefused: Bool { expected.last.map { $0.count == 3 } ?? false }
}

private let host = "Host: a\r\n"

/// A GET with the given field lines.
private func get(_ fields: String) -> String { "GET / HTTP/1.1\r\n\(fields)\r\n" }

/// A POST with the given field lines and what follows the head.
private func post(_ fields: String, _ rest: String) -> String {
  "POST /p HTTP/1.1\r\n\(host)\(fields)\r\n\r\n\(rest)"
}

private func chunked(_ rest: String) -> String { post("Transfer-Encoding: chunked", rest) }

enum ParserCorpus {
  static let all = requestLines + fields + hosts + lengths + codings + chunks + sequences + limits

  static let requestLines: [CorpusCase] = [
    CorpusCase("the smallest request", get(host), "GET / "),
    CorpusCase("HTTP/1.0 without Host", "GET /old HTTP/1.0\r\n\r\n", "GET /old "),
    CorpusCase("a later minor version", "GET / HTTP/1.7\r\n\(host)\r\n", "GET / "),
    CorpusCase("a query", "GET /a?b=c&d=%20e HTTP/1.1\r\n\(host)\r\n", "GET /a?b=c&d=%20e "),
    CorpusCase("absolute form", "GET http://x:1/y?z HTTP/1.1\r\n\(host)\r\n", "GET /y?z "),
    CorpusCase("absolute form, no path", "GET http://x HTTP/1.1\r\n\(host)\r\n", "GET / "),
    CorpusCase("absolute form, query only", "GET http://x?q HTTP/1.1\r\n\(host)\r\n", "GET /?q "),
    CorpusCase("user information", "GET http://u@x/ HTTP/1.1\r\n\(host)\r\n", "400"),
    CorpusCase("asterisk", "OPTIONS * HTTP/1.1\r\n\(host)\r\n", "OPTIONS * "),
    CorpusCase("asterisk of GET", "GET * HTTP/1.1\r\n\(host)\r\n", "400"),
    CorpusCase("authority form", "GET a:80 HTTP/1.1\r\n\(host)\r\n", "400"),
    CorpusCase("no version", "GET /\r\n\(host)\r\n", "400"),
    CorpusCase("two spaces", "GET  / HTTP/1.1\r\n\(host)\r\n", "400"),
    CorpusCase("a tab between", "GET\t/ HTTP/1.1\r\n\(host)\r\n", "400"),
    CorpusCase("a space at the end", "GET / HTTP/1.1 \r\n\(host)\r\n", "400"),
    CorpusCase("a space at the start", " GET / HTTP/1.1\r\n\(host)\r\n", "400"),
    CorpusCase("a space in the target", "GET /a b HTTP/1.1\r\n\(host)\r\n", "400"),
    CorpusCase("a fragment", "GET /a#b HTTP/1.1\r\n\(host)\r\n", "400"),
    CorpusCase("a control in the target", "GET /a\u{1} HTTP/1.1\r\n\(host)\r\n", "400"),
    CorpusCase("UTF-8 in the target", "GET /ü HTTP/1.1\r\n\(host)\r\n", "400"),
    CorpusCase("a broken escape", "GET /%4 HTTP/1.1\r\n\(host)\r\n", "400"),
    CorpusCase("an escape of no digits", "GET /%zz HTTP/1.1\r\n\(host)\r\n", "400"),
    CorpusCase("an escaped NUL", "GET /%00 HTTP/1.1\r\n\(host)\r\n", "400"),
    CorpusCase("escaped invalid UTF-8", "GET /%ff HTTP/1.1\r\n\(host)\r\n", "400"),
    CorpusCase("a broken escape in the query", "GET /?a=%g1 HTTP/1.1\r\n\(host)\r\n", "400"),
    CorpusCase("lower case version", "GET / http/1.1\r\n\(host)\r\n", "400"),
    CorpusCase("a version of many digits", "GET / HTTP/1.10\r\n\(host)\r\n", "400"),
    CorpusCase("a version without digits", "GET / HTTP/x.y\r\n\(host)\r\n", "400"),
    CorpusCase("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"),
    CorpusCase("HTTP/0.9 by name", "GET / HTTP/0.9\r\n\(host)\r\n", "505"),
    CorpusCase("HTTP/3.0", "GET / HTTP/3.0\r\n\(host)\r\n", "505"),
    CorpusCase("an unknown method", "BREW / HTTP/1.1\r\n\(host)\r\n", "501"),
    CorpusCase("a method in lower case", "get / HTTP/1.1\r\n\(host)\r\n", "501"),
    CorpusCase("TRACE", "TRACE / HTTP/1.1\r\n\(host)\r\n", "TRACE / "),
    CorpusCase("CONNECT", "CONNECT a:80 HTTP/1.1\r\n\(host)\r\n", "501"),
    CorpusCase("a method that is no token", "G(T / HTTP/1.1\r\n\(host)\r\n", "400"),
    CorpusCase("one empty line before", "\r\n" + get(host), "GET / "),
    CorpusCase("two empty lines before", "\r\n\r\n" + get(host), "400"),
    CorpusCase("a TLS hello", bytes: [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3, 13, 10], ["400"]),
  ]

  static let fields: [CorpusCase] = [
    CorpusCase("bare line feeds", "GET / HTTP/1.1\nHost: a\n\n", "400"),
    CorpusCase("a bare line feed in the fields", get("\(host)X: y\nZ: w\r\n"), "400"),
    CorpusCase("a bare carriage return", get("\(host)X: y\rz\r\n"), "400"),
    CorpusCase("two carriage returns", get("\(host)X: y\r\r\n"), "400"),
    CorpusCase("a NUL in a value", get("\(host)X: a\0b\r\n"), "400"),
    CorpusCase("a NUL in the request line", "GET /\0 HTTP/1.1\r\n\r\n", "400"),
    CorpusCase("a control in a value", get("\(host)X: a\u{b}b\r\n"), "400"),
    CorpusCase("DEL in a value", get("\(host)X: a\u{7f}b\r\n"), "400"),
    CorpusCase("a folded line", get("\(host)X: a\r\n b\r\n"), "400"),
    CorpusCase("a line folded with a tab", get("\(host)X: a\r\n\tb\r\n"), "400"),
    CorpusCase("space before the first field", get(" \(host)"), "400"),
    CorpusCase("space before the colon", get("Host : a\r\n"), "400"),
    CorpusCase("tab before the colon", get("\(host)X\t: a\r\n"), "400"),
    CorpusCase("no colon", get("\(host)nonsense\r\n"), "400"),
    CorpusCase("an empty name", get("\(host): a\r\n"), "400"),
    CorpusCase("a name that is no token", get("\(host)X(y): a\r\n"), "400"),
    CorpusCase("a name in UTF-8", get("\(host)Ünder: a\r\n"), "400"),
    CorpusCase("an empty value", get("\(host)X:\r\n"), "GET / "),
    CorpusCase("white space around a value", get("\(host)X: \t a \t \r\n"), "GET / "),
    CorpusCase("a value in UTF-8", get("\(host)X: Grüße\r\n"), "GET / "),
    CorpusCase(
      "a value in Latin-1",
      bytes: Array(get(host).utf8.dropLast(2)) + [88, 58, 252, 13, 10, 13, 10],
      ["GET / "]),
    CorpusCase("a name in odd case", get("hOsT: a\r\n"), "GET / "),
  ]

  static let hosts: [CorpusCase] = [
    CorpusCase("no Host", get(""), "400"),
    CorpusCase("two Hosts", get(host + host), "400"),
    CorpusCase("two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\n\(host)\(host)\r\n", "400"),
    CorpusCase("an empty Host", get("Host:\r\n"), "400"),
    CorpusCase("a Host with a path", get("Host: a/b\r\n"), "400"),
    CorpusCase("a Host with a user", get("Host: u@a\r\n"), "400"),
    CorpusCase("a Host with a space", get("Host: a b\r\n"), "400"),
    CorpusCase("a Host list", get("Host: a, b\r\n"), "400"),
    CorpusCase("a Host with a port", get("Host: a:8080\r\n"), "GET / "),
    CorpusCase("a Host with a bad port", get("Host: a:x\r\n"), "400"),
    CorpusCase("a Host with a long port", get("Host: a:808080\r\n"), "400"),
    CorpusCase("IPv6", get("Host: [::1]:80\r\n"), "GET / "),
    CorpusCase("IPv6 unclosed", get("Host: [::1\r\n"), "400"),
    CorpusCase("IPv6 empty", get("Host: []\r\n"), "400"),
    CorpusCase("something after IPv6", get("Host: [::1]x\r\n"), "400"),
  ]

  static let lengths: [CorpusCase] = [
    CorpusCase("a body by length", post("Content-Length: 5", "hello"), "POST /p hello"),
    CorpusCase("a length of zero", post("Content-Length: 0", ""), "POST /p "),
    CorpusCase("leading zeros", post("Content-Length: 0005", "hello"), "POST /p hello"),
    CorpusCase("a body of GET", "GET / HTTP/1.1\r\n\(host)Content-Length: 2\r\n\r\nab", "GET / ab"),
    CorpusCase("CR LF in a body", post("Content-Length: 4", "\r\n\r\n"), "POST /p \r\n\r\n"),
    CorpusCase("a body cut short", post("Content-Length: 6", "hello"), "…"),
    CorpusCase("a sign", post("Content-Length: +5", "hello"), "400"),
    CorpusCase("a minus", post("Content-Length: -5", "hello"), "400"),
    CorpusCase("an underscore", post("Content-Length: 1_0", "hellohello"), "400"),
    CorpusCase("hexadecimal", post("Content-Length: 0x5", "hello"), "400"),
    CorpusCase("a decimal point", post("Content-Length: 5.0", "hello"), "400"),
    CorpusCase("an empty length", post("Content-Length:", "hello"), "400"),
    CorpusCase("digits of another script", post("Content-Length: ５", "hello"), "400"),
    CorpusCase("a list of lengths", post("Content-Length: 5, 5", "hello"), "400"),
    CorpusCase("two lengths", post("Content-Length: 5\r\nContent-Length: 5", "hello"), "400"),
    CorpusCase("two different", post("Content-Length: 5\r\nContent-Length: 6", "hello"), "400"),
    CorpusCase("overflow", post("Content-Length: 18446744073709551621", "hello"), "400"),
    CorpusCase("just too large", post("Content-Length: 9223372036854775808", ""), "400"),
    CorpusCase("beyond the limit", post("Content-Length: 1001", ""), "413"),
    CorpusCase("far beyond", post("Content-Length: 9223372036854775807", ""), "413"),
  ]

  static let codings: [CorpusCase] = [
    CorpusCase(
      "both length and chunked",
      post("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), "400"),
    CorpusCase(
      "both, the other way round",
      post("Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n"), "400"),
    CorpusCase(
      "chunked in HTTP/1.0",
      "POST /p HTTP/1.0\r\n\(host)Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
    CorpusCase("identity", post("Transfer-Encoding: identity", ""), "400"),
    CorpusCase("gzip last", post("Transfer-Encoding: chunked, gzip", "0\r\n\r\n"), "400"),
    CorpusCase("gzip first", post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n"), "501"),
    CorpusCase("gzip alone", post("Transfer-Encoding: gzip", ""), "400"),
    CorpusCase("an unknown coding", post("Transfer-Encoding: zip", ""), "501"),
    CorpusCase("almost chunked", post("Transfer-Encoding: xchunked", "0\r\n\r\n"), "501"),
    CorpusCase("chunked with a parameter", post("Transfer-Encoding: chunked;q=1", ""), "501"),
    CorpusCase("quoted chunked", post("Transfer-Encoding: \"chunked\"", ""), "501"),
    CorpusCase("chunked twice", post("Transfer-Encoding: chunked, chunked", ""), "400"),
    CorpusCase(
      "chunked twice in two fields",
      post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), "400"),
    CorpusCase("an empty coding", post("Transfer-Encoding:", ""), "400"),
    CorpusCase("only a comma", post("Transfer-Encoding: ,", ""), "400"),
    CorpusCase("a vertical tab", post("Transfer-Encoding: \u{b}chunked", ""), "400"),
    CorpusCase("odd case", post("transfer-encoding: CHUNKED", "0\r\n\r\n"), "POST /p "),
  ]

  static let chunks: [CorpusCase] = [
    CorpusCase("no chunk but the last", chunked("0\r\n\r\n"), "POST /p "),
    CorpusCase(
      "two chunks", chunked("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), "POST /p hello world"),
    CorpusCase("capital digits", chunked("A\r\n0123456789\r\n0\r\n\r\n"), "POST /p 0123456789"),
    CorpusCase("leading zeros", chunked("0005\r\nhello\r\n000\r\n\r\n"), "POST /p hello"),
    CorpusCase("an extension", chunked("5;a=b\r\nhello\r\n0;c\r\n\r\n"), "POST /p hello"),
    CorpusCase("space before an extension", chunked("5 ;a\r\nhello\r\n0\r\n\r\n"), "POST /p hello"),
    CorpusCase("a trailer", chunked("5\r\nhello\r\n0\r\nX: y\r\n\r\n"), "POST /p hello"),
    CorpusCase(
      "trailers that claim framing",
      chunked("5\r\nhello\r\n0\r\nContent-Length: 9\r\nTransfer-Encoding: x\r\nHost: b\r\n\r\n")
        + get(host), "POST /p hello", "GET / "),
    CorpusCase("a trailer without a colon", chunked("0\r\nnonsense\r\n\r\n"), "400"),
    CorpusCase("a folded trailer", chunked("0\r\nX: y\r\n z\r\n\r\n"), "400"),
    CorpusCase("space after the size", chunked("5 \r\nhello\r\n0\r\n\r\n"), "400"),
    CorpusCase("space before the size", chunked(" 5\r\nhello\r\n0\r\n\r\n"), "400"),
    CorpusCase("a sign", chunked("+5\r\nhello\r\n0\r\n\r\n"), "400"),
    CorpusCase("a minus", chunked("-5\r\nhello\r\n0\r\n\r\n"), "400"),
    CorpusCase("an underscore", chunked("1_0\r\nhello\r\n0\r\n\r\n"), "400"),
    CorpusCase("a prefix", chunked("0x5\r\nhello\r\n0\r\n\r\n"), "400"),
    CorpusCase("no size", chunked("\r\nhello\r\n0\r\n\r\n"), "400"),
    CorpusCase("no digit", chunked("g\r\nhello\r\n0\r\n\r\n"), "400"),
    CorpusCase("overflow", chunked("10000000000000005\r\nhello\r\n0\r\n\r\n"), "400"),
    CorpusCase("the largest number", chunked("ffffffffffffffff\r\n"), "400"),
    CorpusCase("too large for the limit", chunked("3e9\r\n"), "413"),
    CorpusCase(
      "together too large", chunked("1f4\r\n" + String(repeating: "x", count: 500) + "\r\n1f5\r\n"),
      "413"),
    CorpusCase("longer than it says", chunked("4\r\nhello\r\n0\r\n\r\n"), "400"),
    CorpusCase("shorter than it says", chunked("6\r\nhello\r\n0\r\n\r\n"), "400"),
    CorpusCase("a bare line feed", chunked("5\nhello\r\n0\r\n\r\n"), "400"),
    CorpusCase("a bare line feed after data", chunked("5\r\nhello\n0\r\n\r\n"), "400"),
    CorpusCase("a NUL in an extension", chunked("5;\0\r\nhello\r\n0\r\n\r\n"), "400"),
    CorpusCase("never ended", chunked("5\r\nhello\r\n"), "…"),
  ]

  static let sequences: [CorpusCase] = [
    CorpusCase(
      "three in a row", get(host) + post("Content-Length: 2", "hi") + get(host),
      "GET / ", "POST /p hi", "GET / "),
    CorpusCase(
      "an empty line after a body", post("Content-Length: 2", "hi") + "\r\n" + get(host),
      "POST /p hi", "GET / "),
    CorpusCase(
      "a smuggled request stays in its body",
      post("Content-Length: \(get(host).utf8.count)", get(host)) + get(host),
      "POST /p \(get(host))", "GET / "),
    CorpusCase("a good one, then a bad one", get(host) + "\u{1}\r\n", "GET / ", "400"),
    CorpusCase(
      "a body without a length is the next request", post("X: y", "G@ET\r\n"), "POST /p ", "400"),
    CorpusCase("half a head", "GET / HTTP/1.1\r\nHost", "…"),
    CorpusCase("nothing", "", "…"),
  ]

  static let limits: [CorpusCase] = [
    CorpusCase(
      "a target of 8000", "GET /\(String(repeating: "a", count: 7999)) HTTP/1.1\r\n\(host)\r\n",
      "GET /\(String(repeating: "a", count: 7999)) "),
    CorpusCase(
      "a target of 8193", "GET /\(String(repeating: "a", count: 8192)) HTTP/1.1\r\n\(host)\r\n",
      "414"),
    CorpusCase("an endless target", "GET /" + String(repeating: "a", count: 9000), "414"),
    CorpusCase(
      "100 fields", get(host + (1..<100).map { "X\($0): y\r\n" }.joined()), "GET / "),
    CorpusCase(
      "101 fields", get(host + (1..<101).map { "X\($0): y\r\n" }.joined()), "431"),
    CorpusCase(
      "fields of nearly 32 KiB", get(host + "X: \(String(repeating: "y", count: 32_700))\r\n"),
      "GET / "),
    CorpusCase(
      "fields of 32 KiB and more", get(host + "X: \(String(repeating: "y", count: 32_768))\r\n"),
      "431"),
    CorpusCase(
      "an endless field", "GET / HTTP/1.1\r\nX: \(String(repeating: "y", count: 33_000))", "431"),
    CorpusCase(
      "an extension of 16 KiB",
      chunked("5;\(String(repeating: "x", count: 16_300))\r\nhello\r\n0\r\n\r\n"),
      "POST /p hello"),
    CorpusCase(
      "an endless extension", chunked("5;\(String(repeating: "x", count: 17_000))"), "400"),
    CorpusCase(
      "endless trailers",
      chunked(
        "0\r\n" + (0..<400).map { "X\($0): \(String(repeating: "y", count: 40))\r\n" }.joined()),
      "431"),
  ]
}
