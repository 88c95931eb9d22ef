// Digests that tell documents and their sources apart (FIPS 180-4). Relies on libcrypto.

import COpenSSL

package enum SHA256 {
  /// 32 bytes.
  package static func digest(_ bytes: some Sequence<UInt8>) -> [UInt8] {
    let input = Array(bytes)
    var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
    _ = COpenSSL.SHA256(input, input.count, &digest)
    return digest
  }
}

extension [UInt8] {
  package var hexadecimal: String {
    let digits = Array("0123456789abcdef".utf8)
    return String(
      decoding: flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}
