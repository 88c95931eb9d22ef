// SHA-256 of documents, by which an unchanged one is recognised.

import Documents
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
