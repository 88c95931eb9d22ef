// Where a result stands, in one line: document, page and heading where there are any, and offsets in
// Unicode scalars of the text that is shown.

import JSON

struct ResultPlace: CustomStringConvertible {
  private let result: JSONValue

  /// - Parameter result: as `/retrieve` and chats with documents answer it
  init(_ result: JSONValue) { self.result = result }

  var description: String {
    let shown = result["context"] ?? result
    let parts: [String?] = [
      result["document_id"]?.string, result["page"]?.int.map { "page \($0)" },
      result["heading"]?.string,
    ]
    return parts.compactMap(\.self).joined(separator: ", ")
      + " [\(shown["start"]?.int ?? 0)-\(shown["end"]?.int ?? 0)]"
  }
}
