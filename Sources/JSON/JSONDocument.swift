// A parsed document as a flat tape over its bytes: one 16-byte entry per value, strings and
// numbers decoded only when asked for. Made for big files, and the only parser of this module.
// Relies on TapeBuilder having checked every byte; refuses documents of 4 GiB and more.

package struct JSONDocument: Sendable {
  /// Deep enough for any request or model file, shallow enough for the smallest stack.
  package static let defaultDepth = 128
  /// No caller may ask for more: values are built, written and freed by recursion.
  package static let greatestDepth = 512

  let storage: Storage

  /// The bytes and their tape, shared by all nodes of the document.
  final class Storage: Sendable {
    let bytes: [UInt8]
    let tape: [TapeEntry]

    init(bytes: [UInt8], tape: [TapeEntry]) {
      self.bytes = bytes
      self.tape = tape
    }
  }

  /// Checks all of the document against RFC 8259.
  package init(parsing bytes: [UInt8], maximumDepth: Int = JSONDocument.defaultDepth)
    throws(JSONError)
  {
    let depth = min(max(maximumDepth, 0), JSONDocument.greatestDepth)
    var builder = TapeBuilder(bytes: bytes, maximumDepth: depth)
    try builder.build()
    storage = Storage(bytes: bytes, tape: builder.tape)
  }

  /// An object without members.
  package init() {
    let entry = TapeEntry(start: 0, end: 0, next: 1, kind: .object)
    storage = Storage(bytes: Array("{}".utf8), tape: [entry])
  }

  package var root: JSONNode { JSONNode(storage: storage, index: 0) }
}

/// One value of the document; an object's entry is followed by a name and a value per member, an
/// array's by its elements.
struct TapeEntry {
  enum Kind: UInt8 {
    case null, `true`, `false`, integer, double, plainString, escapedString, array, object
  }

  /// Offset of the value's first byte; of a string's, the one after the quote.
  var start: UInt32
  /// Scalars: offset after the last byte. Containers: the number of elements or members.
  var end: UInt32
  /// Index of the entry after this value and everything inside it.
  var next: UInt32
  var kind: Kind
}
