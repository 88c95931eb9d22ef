// An http or https URL as a client needs it: where to connect and what to ask for. Refuses user
// information, and characters that must be percent-encoded.

package struct HTTPLocation: Sendable, Hashable {
  package let isSecure: Bool
  package let host: String
  package let port: Int
  /// Path and query.
  package let target: String

  package var scheme: String { isSecure ? "https" : "http" }

  /// Host and port as the Host field has them: without the scheme's own port.
  package var authority: String {
    let name = host.contains(":") ? "[\(host)]" : host
    return port == Self.port(isSecure) ? name : "\(name):\(port)"
  }

  /// Scheme, host and port: what may be told the same secrets.
  package var origin: String { "\(scheme)://\(authority.lowercased())" }

  package var url: String { "\(scheme)://\(authority)\(target)" }

  private static func port(_ isSecure: Bool) -> Int { isSecure ? 443 : 80 }

  package init(_ url: String) throws(HTTPError) {
    let lowercased = url.lowercased()
    isSecure = lowercased.hasPrefix("https://")
    guard isSecure || lowercased.hasPrefix("http://") else {
      throw .badURL(url, reason: "it must begin with https:// or http://")
    }
    let rest = url.dropFirst(isSecure ? "https://".count : "http://".count).prefix { $0 != "#" }
    let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
    let authority = String(rest[..<end])
    guard RequestHead.isAuthority(authority) else {
      throw .badURL(url, reason: "'\(authority)' is not a host with an optional port")
    }
    let target = String(rest[end...])
    self.target = target.hasPrefix("/") ? target : "/" + target
    guard self.target.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      throw .badURL(url, reason: "characters outside ASCII and spaces must be percent-encoded")
    }
    let portText: Substring
    if authority.hasPrefix("["), let bracket = authority.lastIndex(of: "]") {
      host = String(authority[..<bracket].dropFirst())
      portText = authority[bracket...].dropFirst(2)
    } else {
      let parts = authority.split(separator: ":", maxSplits: 1)
      host = String(parts[0])
      portText = parts.count > 1 ? parts[1] : ""
    }
    port = Int(portText) ?? Self.port(isSecure)
  }

  /// Where a Location field leads from here (RFC 3986 section 5.2; dot segments are left to the server).
  package func resolving(_ reference: String) throws(HTTPError) -> HTTPLocation {
    if reference.hasPrefix("//") { return try HTTPLocation("\(scheme):\(reference)") }
    if reference.hasPrefix("/") { return try HTTPLocation(origin + reference) }
    if reference.prefix(while: { $0 != "/" && $0 != "?" }).contains(":") {
      return try HTTPLocation(reference)
    }
    let path = target.prefix { $0 != "?" }
    let folder = path.prefix(through: path.lastIndex(of: "/") ?? path.startIndex)
    return try HTTPLocation(origin + folder + reference)
  }
}
