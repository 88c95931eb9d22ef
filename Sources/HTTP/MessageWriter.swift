// Responses as bytes: the head with the framing that the body and the client's version ask for, and
// the chunks. Says no more than it must: no Server header.

import Dispatch
import Glibc
import HTTPTypes
import Synchronization

/// What the answer must know of its request.
struct Exchange: Sendable {
  var isHead = false
  var minorVersion = 1
  var keepsAlive = true
  var requestID: String?
}

enum MessageWriter {
  enum Framing: Sendable {
    case length(Int)
    case chunked
    /// An HTTP/1.0 client: the body ends with the connection.
    case untilClose
    /// 204 and 304 have no body and say so by themselves.
    case none
  }

  static func head(
    _ response: Response, framing: Framing, exchange: Exchange, keepsAlive: Bool
  ) -> [UInt8] {
    var head: [UInt8] = []
    head.reserveCapacity(512)
    func add(_ text: String) { head.append(contentsOf: text.utf8) }
    add("HTTP/1.1 \(response.status.code) \(ReasonPhrase.of(response.status))\r\n")
    for field in response.headers where !isOurs(field.name) {
      add(field.name.rawName)
      add(": ")
      // HTTPField has seen to it that no value holds a line break.
      field.withUnsafeBytesOfValue { head.append(contentsOf: $0) }
      add("\r\n")
    }
    switch framing {
    case .length(let length): add("Content-Length: \(length)\r\n")
    case .chunked: add("Transfer-Encoding: chunked\r\n")
    case .untilClose, .none: break
    }
    if let id = exchange.requestID { add("x-request-id: \(id)\r\n") }
    if !keepsAlive {
      add("Connection: close\r\n")
    } else if exchange.minorVersion == 0 {
      add("Connection: keep-alive\r\n")
    }
    add("Date: ")
    head.append(contentsOf: HTTPDate.now())
    add("\r\n\r\n")
    return head
  }

  static func chunk(_ bytes: [UInt8]) -> [UInt8] {
    Array(String(bytes.count, radix: 16).utf8) + [13, 10] + bytes + [13, 10]
  }

  static let lastChunk = Array("0\r\n\r\n".utf8)

  private static func isOurs(_ name: HTTPField.Name) -> Bool {
    name == .contentLength || name == .transferEncoding || name == .connection || name == .date
      || name == .xRequestID
  }
}

/// The Date header (RFC 9110 section 5.6.7), made once a second.
enum HTTPDate {
  private static let cache = Mutex<(second: time_t, text: [UInt8])>((-1, []))

  static func now() -> [UInt8] {
    let second = time(nil)
    return cache.withLock { cached in
      if cached.second != second { cached = (second, format(second)) }
      return cached.text
    }
  }

  static func format(_ second: time_t) -> [UInt8] {
    var second = second
    var parts = tm()
    gmtime_r(&second, &parts)
    let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    let months = [
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
    let date = "\(two(parts.tm_mday)) \(months[Int(parts.tm_mon)]) \(Int(parts.tm_year) + 1900)"
    let clock = "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
    return Array("\(days[Int(parts.tm_wday)]), \(date) \(clock) GMT".utf8)
  }
}
