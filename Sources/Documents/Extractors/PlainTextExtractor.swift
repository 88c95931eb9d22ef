// Plain text: one document, unaltered but for its encoding. A form feed begins a new page.

enum PlainTextExtractor: Extractor {
  static let contentTypes = ["text/plain", "application/yaml", "application/toml"]
  static let fileEndings = [
    "txt", "text", "log", "rst", "adoc", "tex", "srt", "vtt", "yaml", "yml", "toml", "ini", "conf",
  ]

  static func documents(from source: DocumentSource, _ context: inout ExtractionContext)
    throws(DocumentError) -> [DocumentInput]
  {
    [source.document(try TextDecoding.decode(source.bytes, charset: source.charset), format: nil)]
  }
}
