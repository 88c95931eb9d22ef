// Plain text: one document, unaltered.

enum PlainTextExtractor: Extractor {
  static let contentTypes = ["text/plain"]
  static let fileEndings = ["txt", "text"]

  static func documents(from source: DocumentSource) throws(RetrievalError) -> [DocumentInput] {
    let text = try UTF8Text.decode(source.bytes)
    return [DocumentInput(id: source.id, text: text, metadata: source.metadata)]
  }
}
