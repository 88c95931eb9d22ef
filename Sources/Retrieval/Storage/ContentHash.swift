// SHA-256 of documents, by which an unchanged one is recognised. Relies on libcrypto.

import COpenSSL
import FoundationEssentials
import JSON

struct ContentHash: Sendable, Hashable {
  /// Of the text alone: the same one needs no new chunks.
  let text: Data
  /// Of text and metadata, whose members' order doesn't matter.
  let content: Data

  init(text: String, metadata: JSONObject) {
    let textHash = SHA256.digest(text.utf8)
    self.text = Data(textHash)
    content = Data(SHA256.digest(textHash + JSONValue.object(metadata).sortedByKey.serialized()))
  }
}

enum SHA256 {
  static func digest(_ bytes: some Sequence<UInt8>) -> [UInt8] {
    let input = Array(bytes)
    var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
    _ = COpenSSL.SHA256(input, input.count, &digest)
    return digest
  }
}

extension JSONValue {
  /// The same value with the members of each object in the order of their names.
  fileprivate var sortedByKey: JSONValue {
    switch self {
    case .object(let object):
      let members = object.map { ($0.key, $0.value.sortedByKey) }.sorted { $0.0 < $1.0 }
      return .object(JSONObject(members) { _, last in last })
    case .array(let elements): return .array(elements.map(\.sortedByKey))
    default: return self
    }
  }
}

extension [UInt8] {
  var hexadecimal: String {
    let digits = Array("0123456789abcdef".utf8)
    return String(
      decoding: flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}
