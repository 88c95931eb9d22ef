// A document as it comes in: what extractors make of files, and what clients send as it is. Its text
// is stored and returned unaltered.

package import JSON

/// A document to store. Without an id, one is derived from its text, so that sending the same text
/// again changes nothing.
package struct DocumentInput: Sendable, Hashable {
  package var id: String?
  package var text: String
  package var metadata: JSONObject

  package init(id: String? = nil, text: String, metadata: JSONObject = [:]) {
    self.id = id
    self.text = text
    self.metadata = metadata
  }
}
