// The proxy through which https URLs are reached, and the hosts that are reached without it, as the
// environment says: HTTPS_PROXY or ALL_PROXY, and NO_PROXY. The tunnel is a CONNECT request (RFC 9110
// section 9.3.6), so that the proxy sees no more than host and port. Plain http never takes it. Refuses
// proxies that are not spoken to in plain HTTP.

import FoundationEssentials
import HTTPTypes
import Transport

package struct ProxySettings: Sendable {
  struct Proxy: Sendable {
    var location: HTTPLocation
    /// The value of Proxy-Authorization; nil where the URL names nobody.
    var authorization: String?
  }

  private var proxy: Proxy?
  private var exceptions: [Exception] = []

  private struct Exception: Sendable {
    /// Lower case; the host itself and all below it are meant. `*` means all.
    var host: String
    var port: Int?
  }

  /// No proxy.
  package init() {}

  /// - Parameter environment: of the process; names in lower case come first, as in curl
  package init(environment: [String: String]) throws(HTTPError) {
    func value(_ name: String) -> String? {
      [name.lowercased(), name].compactMap { environment[$0] }.first { !$0.isEmpty }
    }
    guard let url = value("HTTPS_PROXY") ?? value("ALL_PROXY") else { return }
    proxy = try Self.proxy(url)
    exceptions = (value("NO_PROXY") ?? "").split(separator: ",").map(Self.exception)
  }

  /// Nil where a URL is reached directly.
  func proxy(for location: HTTPLocation) -> Proxy? {
    guard location.isSecure else { return nil }
    let host = location.host.lowercased()
    let isExcepted = exceptions.contains { exception in
      guard exception.port == nil || exception.port == location.port else { return false }
      return exception.host == "*" || host == exception.host
        || host.hasSuffix("." + exception.host)
    }
    return isExcepted ? nil : proxy
  }

  private static func proxy(_ url: String) throws(HTTPError) -> Proxy {
    var text = url.contains("://") ? url : "http://" + url
    var authorization: String?
    let start = text.firstRange(of: "://")?.upperBound ?? text.startIndex
    let end = text[start...].firstIndex(of: "/") ?? text.endIndex
    if let at = text[start..<end].lastIndex(of: "@") {
      let user = String(text[start..<at])
      let credentials = Data((RequestTarget.decode(Array(user.utf8)[...]) ?? user).utf8)
      authorization = "Basic " + credentials.base64EncodedString()
      text.removeSubrange(start...at)
    }
    guard text.lowercased().hasPrefix("http://") else {
      // Without what stands before the @: it may be a password.
      throw .badURL(text, reason: "only http:// proxies are supported")
    }
    return Proxy(location: try HTTPLocation(text), authorization: authorization)
  }

  private static func exception(_ text: Substring) -> Exception {
    var name = text.lowercased().filter { $0 != " " }
    var port: Int?
    // An IPv6 address has colons of its own.
    if name.filter({ $0 == ":" }).count == 1, let colon = name.firstIndex(of: ":") {
      port = Int(name[colon...].dropFirst())
      name = String(name[..<colon])
    }
    if name.hasPrefix("*.") { name.removeFirst(2) }
    if name.hasPrefix(".") { name.removeFirst() }
    return Exception(host: name, port: port)
  }
}

extension ProxySettings.Proxy {
  /// Turns a connection to the proxy into one to the host behind it.
  func openTunnel(to location: HTTPLocation, on connection: ClientConnection) async throws {
    let name = location.host.contains(":") ? "[\(location.host)]" : location.host
    let target = "\(name):\(location.port)"
    var message = "CONNECT \(target) HTTP/1.1\r\nHost: \(target)\r\n"
    if let authorization { message += "Proxy-Authorization: \(authorization)\r\n" }
    try await connection.write(Array((message + "\r\n").utf8))
    var received: [UInt8] = []
    var parser = ResponseHeadParser()
    let head = try await parser.read(from: connection, &received)
    guard head.status.kind == .successful else {
      let hint =
        head.status == .proxyAuthenticationRequired
        ? " (give HTTPS_PROXY as http://user:password@host:port)" : ""
      throw HTTPError.proxy(
        self.location.authority, reason: "it answers CONNECT with status \(head.status.code)\(hint)"
      )
    }
    guard received.isEmpty else {
      throw HTTPError.proxy(self.location.authority, reason: "it sends what nobody asked for")
    }
  }
}
