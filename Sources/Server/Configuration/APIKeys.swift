// The keys clients must present. Read from a file with one key per line, `#` starts a comment.
// Keys are kept and compared as SHA-256 digests in constant time, so that neither a memory dump of
// this set nor the time of a comparison tells a key.

import COpenSSL
import FoundationEssentials

package struct APIKeys: Sendable {
  private let digests: [[UInt8]]

  package init(parsing text: String, path: String) throws(ConfigurationError) {
    let keys = text.split(whereSeparator: \.isNewline)
      .map { $0.drop(while: \.isWhitespace) }
      .filter { !$0.isEmpty && !$0.hasPrefix("#") }
      .map { String($0.reversed().drop(while: \.isWhitespace).reversed()) }
    guard !keys.isEmpty else { throw .keys(path: path, reason: "holds no key") }
    if let bad = keys.first(where: { !$0.utf8.allSatisfy { (0x21...0x7e).contains($0) } }) {
      throw .keys(
        path: path,
        reason: "holds a key of \(bad.count) characters that isn't plain ASCII without spaces")
    }
    digests = keys.map(Self.digest)
  }

  /// Whether `authorization` is `Bearer` and one of the keys.
  package func accepts(authorization: String?) -> Bool {
    guard let authorization, authorization.count > 7,
      authorization.prefix(7).lowercased() == "bearer "
    else { return false }
    let presented = Self.digest(String(authorization.dropFirst(7).drop { $0 == " " }))
    // Every key is compared, so that the time doesn't tell which one matched.
    return digests.reduce(false) { $1.elementsEqualInConstantTime(presented) || $0 }
  }

  private static func digest(_ key: String) -> [UInt8] {
    let bytes = Array(key.utf8)
    var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
    _ = SHA256(bytes, bytes.count, &digest)
    return digest
  }
}

extension [UInt8] {
  fileprivate func elementsEqualInConstantTime(_ other: [UInt8]) -> Bool {
    guard count == other.count else { return false }
    return zip(self, other).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
  }
}

extension ServerConfiguration {
  /// The keys to require; nil where none are configured, which only loopback addresses permit.
  package func readAPIKeys() throws(ConfigurationError) -> APIKeys? {
    guard let path = apiKeyFile else {
      guard isLoopback || allowUnauthenticated else { throw .openToTheNetwork(host: host) }
      return nil
    }
    let text: String
    do { text = try String(contentsOfFile: path, encoding: .utf8) } catch {
      throw .keys(path: path, reason: "is missing, not readable or not UTF-8")
    }
    return try APIKeys(parsing: text, path: path)
  }

  private var isLoopback: Bool {
    let isIPv4Loopback =
      host.hasPrefix("127.") && host.allSatisfy { $0.isASCII && $0.isNumber || $0 == "." }
    return isIPv4Loopback || ["localhost", "::1", "[::1]"].contains(host)
  }
}
