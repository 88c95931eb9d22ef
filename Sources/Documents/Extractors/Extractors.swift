// All extractors, and which of them reads what: by content type, else by the file name's ending, else
// by what the bytes begin with. Refuses other formats by naming those that it can read.

package enum Extractors {
  private static let all: [any Extractor.Type] = [
    PlainTextExtractor.self, MarkdownExtractor.self, JSONDocumentExtractor.self,
    JSONLinesExtractor.self, DelimitedExtractor.self, HTMLExtractor.self, PDFExtractor.self,
    WordExtractor.self, OpenDocumentExtractor.self, EPUBExtractor.self, SourceCodeExtractor.self,
    ZipExtractor.self, TarExtractor.self, GzipExtractor.self,
  ]

  /// Content types that say nothing.
  private static let generic: Set<String> = ["application/octet-stream", "binary/octet-stream"]

  /// The content types that can be read.
  package static var contentTypes: [String] { all.flatMap { $0.contentTypes } }

  /// The endings of files that can be read.
  package static var fileEndings: [String] { all.flatMap { $0.fileEndings } }

  /// Whether the name's ending is one of those.
  package static func reads(fileName: String) -> Bool { extractor(fileName: fileName) != nil }

  /// Whether the bytes begin as those of a format that says so: PDF, archives, HTML.
  package static func recognizes(_ bytes: [UInt8]) -> Bool {
    all.contains { $0.recognizes(bytes) }
  }

  package static func documents(
    from source: DocumentSource, limits: ExtractionLimits = ExtractionLimits()
  ) throws(DocumentError) -> [DocumentInput] {
    var context = ExtractionContext(limits)
    return try documents(from: source, &context)
  }

  static func documents(from source: DocumentSource, _ context: inout ExtractionContext)
    throws(DocumentError) -> [DocumentInput]
  {
    var source = source
    let type = source.contentType.map(MediaType.init)
    if source.charset == nil { source.charset = type?.parameters["charset"] }
    guard let extractor = extractor(for: source, type?.essence) else {
      throw .unsupportedContentType(
        source.contentType ?? source.fileName ?? "", supported: contentTypes)
    }
    return try extractor.documents(from: source, &context)
  }

  private static func extractor(for source: DocumentSource, _ type: String?) -> (
    any Extractor.Type
  )? {
    if let type, let named = all.first(where: { $0.contentTypes.contains(type) }) { return named }
    if let name = source.fileName, let named = extractor(fileName: name) { return named }
    guard type.map(generic.contains) ?? true else { return nil }
    if let recognized = all.first(where: { $0.recognizes(source.bytes) }) { return recognized }
    let isText = (try? TextDecoding.decode(source.bytes, charset: source.charset)) != nil
    return isText && !source.bytes.contains(0) ? PlainTextExtractor.self : nil
  }

  private static func extractor(fileName: String) -> (any Extractor.Type)? {
    guard let ending = FileEnding.of(fileName) else { return nil }
    return all.first { $0.fileEndings.contains(ending) }
  }
}

enum FileEnding {
  /// In lower case, without the dot; nil for names without one.
  static func of(_ path: String) -> String? {
    let name = path.split(separator: "/").last ?? ""
    guard let dot = name.lastIndex(of: ".") else { return nil }
    return name[name.index(after: dot)...].lowercased()
  }
}

/// A Content-Type's value (RFC 9110, section 8.3.1).
struct MediaType {
  /// `type/subtype` in lower case.
  let essence: String
  /// By names in lower case; quotes are taken away.
  var parameters: [String: String] = [:]

  init(_ value: String) {
    let parts = value.split(separator: ";", omittingEmptySubsequences: false)
      .map { $0.filter { $0 != " " && $0 != "\t" } }
    essence = parts.first?.lowercased() ?? ""
    for part in parts.dropFirst() {
      guard let equals = part.firstIndex(of: "=") else { continue }
      parameters[part[..<equals].lowercased()] =
        part[part.index(after: equals)...].filter { $0 != "\"" }
    }
  }
}
