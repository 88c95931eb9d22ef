// A document as it comes in: what extractors make of files, and what clients send as it is. Its text
// is stored and returned unaltered.

package import JSON

/// A document to store. Without an id, one is derived from its text, so that sending the same text
/// again changes nothing.
package struct DocumentInput: Sendable, Hashable {
  package var id: String?
  package var text: String
  package var metadata: JSONObject
  /// What it was read from, where that may hold other documents another time: those of a source that
  /// it no longer holds can be told from all others.
  package var source: String?

  package init(
    id: String? = nil, text: String, metadata: JSONObject = [:], source: String? = nil
  ) {
    self.id = id
    self.text = text
    self.metadata = metadata
    self.source = source
  }
}
