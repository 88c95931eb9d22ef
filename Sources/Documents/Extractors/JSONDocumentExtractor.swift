// JSON documents: {"id", "text", "metadata", "source"}, one or an array of them, or with a field map objects of
// any kind. Without one, unknown fields are refused: text in a field of another name would silently
// not be searched. Errors name the document.

import JSON

enum JSONDocumentExtractor: Extractor {
  static let contentTypes = ["application/json"]
  static let fileEndings = ["json"]

  static func documents(from source: DocumentSource, _ context: inout ExtractionContext)
    throws(DocumentError) -> [DocumentInput]
  {
    let text = try TextDecoding.decode(source.bytes, charset: source.charset)
    let value: JSONValue
    do {
      value = try JSONValue(parsing: Array(text.utf8))
    } catch {
      throw .invalidRequest(field: "body", message: "invalid JSON: \(error)")
    }
    guard let array = value.array else {
      return [try document(value, index: 0, source, id: source.id)]
    }
    var documents: [DocumentInput] = []
    for (index, element) in array.enumerated() {
      documents.append(try document(element, index: index, source, id: nil))
    }
    return documents
  }

  /// - Parameter givenID: for a document without its own
  static func document(
    _ value: JSONValue, index: Int, _ source: DocumentSource, id givenID: String?
  ) throws(DocumentError) -> DocumentInput {
    func invalid(_ message: String) -> DocumentError {
      .invalidDocument(index: index, id: value["id"]?.string, message: message)
    }
    guard let object = value.object else {
      throw invalid("expected an object with \"text\", found \(value.kind)")
    }
    if let fields = source.fields {
      return try fields.document(from: object, index: index, source)
    }
    for (key, _) in object where !["id", "text", "metadata", "source"].contains(key) {
      throw invalid(
        "unknown field \"\(key)\"; put it into \"metadata\", or say with text_columns where text is"
      )
    }
    guard let text = object["text"]?.string else {
      throw invalid("\"text\" must be a string, found \(object["text"]?.kind ?? "nothing")")
    }
    let id: String?
    switch object["id"] {
    case nil, .null: id = givenID
    case .string(let string): id = string
    case let other?: throw invalid("\"id\" must be a string, found \(other.kind)")
    }
    var metadata = source.metadata
    switch object["metadata"] {
    case nil, .null: break
    case .object(let own): metadata.merge(own) { _, new in new }
    case let other?: throw invalid("\"metadata\" must be an object, found \(other.kind)")
    }
    let from: String?
    switch object["source"] {
    case nil, .null: from = nil
    case .string(let string): from = string
    case let other?: throw invalid("\"source\" must be a string, found \(other.kind)")
    }
    return DocumentInput(id: id, text: text, metadata: metadata, source: from)
  }
}
