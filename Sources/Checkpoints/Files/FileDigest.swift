// SHA-256 over the bytes of files, by which weights are told apart whatever they are called.
// Relies on libcrypto, fed in pieces so that a mapped file passes through the page cache.

import COpenSSL

package enum FileDigest {
  private static let pieceBytes = 8 << 20

  /// Lower-case hexadecimal digest of the files' bytes, one file after the other.
  package static func sha256(of files: [MappedFile]) throws(ModelError) -> String {
    let unavailable = ModelError.unreadableFile(
      path: files.first?.path ?? "", reason: "libcrypto refuses to compute SHA-256")
    guard let context = EVP_MD_CTX_new() else { throw unavailable }
    defer { EVP_MD_CTX_free(context) }
    guard EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else { throw unavailable }
    for file in files {
      let isComplete = file.withBytes { bytes in
        stride(from: 0, to: bytes.count, by: pieceBytes).allSatisfy { start in
          let piece = UnsafeRawBufferPointer(
            rebasing: bytes[start..<min(start + pieceBytes, bytes.count)])
          return EVP_DigestUpdate(context, piece.baseAddress, piece.count) == 1
        }
      }
      guard isComplete else { throw unavailable }
    }
    var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    var count: UInt32 = 0
    guard EVP_DigestFinal_ex(context, &digest, &count) == 1 else { throw unavailable }
    let digits = Array("0123456789abcdef")
    let bytes = digest.prefix(Int(count))
    return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
  }
}
