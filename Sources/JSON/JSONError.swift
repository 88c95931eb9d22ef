// What was wrong with a document, and where: a byte offset with its line and column for text
// that is no JSON, a path such as `messages[2].role` for JSON of another shape than asked for.
// Relies on nothing; the message alone always makes sense to the one who sent the document.

/// The only error that this module throws.
package struct JSONError: Error, Sendable, Hashable {
  /// What was expected and what was found.
  package var message: String
  /// Bytes before the fault; 0 where only `path` is known.
  package var offset: Int
  /// 1-based; 0 where only `path` is known.
  package var line: Int
  /// 1-based, in Unicode scalars; 0 where only `path` is known.
  package var column: Int
  /// Where in the document, such as `messages[2].role`; empty for the whole of it.
  package var path: String

  /// A fault of shape: the text is JSON, what it says is not what was asked for.
  package init(_ message: String, path: String = "") {
    self.message = message
    self.path = path
    offset = 0
    line = 0
    column = 0
  }

  /// A fault at a place in the text.
  init(_ message: String, at offset: Int, in bytes: [UInt8]) {
    self.message = message
    self.offset = offset
    path = ""
    let before = bytes[..<min(offset, bytes.count)]
    line = 1 + before.count { $0 == UInt8(ascii: "\n") }
    let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
    // Continuation bytes belong to the scalar that their lead byte has counted already.
    column = 1 + before[lineStart...].count { $0 & 0xC0 != 0x80 }
  }
}

extension JSONError: CustomStringConvertible {
  package var description: String {
    let place = line > 0 ? " at line \(line), column \(column)" : ""
    return (path.isEmpty ? "" : path + ": ") + message + place
  }
}
