// What the hub says a file's content hashes to, and the hash of what arrived: SHA-256 of large files, and
// git's SHA-1 of a blob (https://git-scm.com/book/en/v2/Git-Internals-Git-Objects) of small ones. Fed in
// pieces. Relies on libcrypto. Refuses hashes of any other form.

import COpenSSL

/// A hash as the hub announces it, told by its length.
struct HubDigest: Sendable, Hashable {
  /// Lower-case hexadecimal digits, 64 or 40 of them; the blob's name in the cache.
  let text: String

  var isSHA256: Bool { text.utf8.count == 64 }

  /// - Parameter entityTag: the value of an ETag field: `"…"` or `W/"…"`
  init?(entityTag: String) {
    var text = Substring(entityTag)
    if text.hasPrefix("W/") { text = text.dropFirst(2) }
    if text.hasPrefix("\""), text.hasSuffix("\""), text.count > 1 {
      text = text.dropFirst().dropLast()
    }
    guard [64, 40].contains(text.utf8.count), Self.isHexadecimal(text) else { return nil }
    self.text = String(text)
  }

  static func isHexadecimal(_ text: some StringProtocol) -> Bool {
    text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
  }
}

/// Computes a digest. For one task.
final class HubHasher {
  private let context: OpaquePointer

  /// - Parameter byteCount: of the whole file; git hashes it along. Nil where libcrypto refuses.
  init?(for digest: HubDigest, byteCount: Int) {
    guard let context = EVP_MD_CTX_new() else { return nil }
    self.context = context
    let kind = digest.isSHA256 ? EVP_sha256() : EVP_sha1()
    guard EVP_DigestInit_ex(context, kind, nil) == 1 else { return nil }
    if !digest.isSHA256 { update(Array("blob \(byteCount)\0".utf8)) }
  }

  deinit { EVP_MD_CTX_free(context) }

  func update(_ bytes: [UInt8]) {
    // Fails only on a context that was finished: see `finish`.
    _ = bytes.withUnsafeBytes { EVP_DigestUpdate(context, $0.baseAddress, $0.count) }
  }

  /// Once, last.
  func finish() -> String {
    var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    var count: UInt32 = 0
    guard EVP_DigestFinal_ex(context, &digest, &count) == 1 else { return "" }
    return digest.prefix(Int(count)).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}
