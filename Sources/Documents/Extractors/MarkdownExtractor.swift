// Markdown: one document, kept as the text that it is. Its marks hardly disturb a search, and what
// is returned can be shown as it was written.

enum MarkdownExtractor: Extractor {
  static let contentTypes = ["text/markdown", "text/x-markdown"]
  static let fileEndings = ["md", "markdown"]

  static func documents(from source: DocumentSource, _ context: inout ExtractionContext)
    throws(DocumentError) -> [DocumentInput]
  {
    let text = try TextDecoding.decode(source.bytes, charset: source.charset)
    return [source.document(text, format: "markdown")]
  }
}
