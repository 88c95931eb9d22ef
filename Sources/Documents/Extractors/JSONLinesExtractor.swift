// JSON Lines: a JSON document on each line, read as in JSONDocumentExtractor; empty lines are left
// out. Errors name the line.

import JSON

enum JSONLinesExtractor: Extractor {
  static let contentTypes = [
    "application/jsonl", "application/x-ndjson", "application/x-jsonlines",
    "application/json-lines",
  ]
  static let fileEndings = ["jsonl", "ndjson"]

  static func documents(from source: DocumentSource, _ context: inout ExtractionContext)
    throws(DocumentError) -> [DocumentInput]
  {
    let text = try TextDecoding.decode(source.bytes, charset: source.charset)
    var documents: [DocumentInput] = []
    let lines = Array(text.utf8).split(
      separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (number, line) in lines.enumerated() {
      if line.allSatisfy({ [0x20, 0x09, 0x0D].contains($0) }) { continue }
      let value: JSONValue
      do {
        value = try JSONValue(parsing: Array(line))
      } catch {
        throw .invalidRequest(field: "body", message: "line \(number + 1): invalid JSON: \(error)")
      }
      documents.append(
        try JSONDocumentExtractor.document(value, index: documents.count, source, id: nil))
    }
    return documents
  }
}
