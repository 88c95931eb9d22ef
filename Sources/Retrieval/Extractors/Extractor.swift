// From bytes to documents, one extractor per format. A format is found by content type (uploads) or
// by the file's ending (ingest of files). Refuses other formats by naming those that it can read.

package import JSON

/// Bytes with what is known about them apart from their contents.
package struct DocumentSource: Sendable {
  package var bytes: [UInt8]
  /// For formats that hold one document without an id of its own.
  package var id: String?
  /// Goes to every document that comes of it; the document's own fields win.
  package var metadata: JSONObject

  package init(bytes: [UInt8], id: String? = nil, metadata: JSONObject = [:]) {
    self.bytes = bytes
    self.id = id
    self.metadata = metadata
  }
}

protocol Extractor: Sendable {
  static var contentTypes: [String] { get }
  /// In lower case, without the dot.
  static var fileEndings: [String] { get }
  static func documents(from source: DocumentSource) throws(RetrievalError) -> [DocumentInput]
}

package enum Extractors {
  private static let all: [any Extractor.Type] = [
    PlainTextExtractor.self, MarkdownExtractor.self, JSONDocumentExtractor.self,
  ]

  /// The content types that can be read.
  package static var contentTypes: [String] { all.flatMap { $0.contentTypes } }

  /// The endings of files that can be read.
  package static var fileEndings: [String] { all.flatMap { $0.fileEndings } }

  /// Documents of an upload. `contentType` is a Content-Type header's value.
  package static func documents(from source: DocumentSource, contentType: String)
    throws(RetrievalError) -> [DocumentInput]
  {
    let parts = contentType.split(separator: ";").map { part in
      part.lowercased().filter { $0 != " " && $0 != "\t" }
    }
    guard let type = parts.first,
      let extractor = all.first(where: { $0.contentTypes.contains(type) })
    else { throw .unsupportedContentType(contentType, supported: contentTypes) }
    for part in parts.dropFirst() where part.hasPrefix("charset=") {
      let charset = part.dropFirst("charset=".count).filter { $0 != "\"" }
      guard ["utf-8", "utf8", "us-ascii"].contains(String(charset)) else {
        throw .unsupportedContentType(contentType, supported: ["\(type); charset=utf-8"])
      }
    }
    return try extractor.documents(from: source)
  }

  /// Documents of a file; nil where files of this name can't be read.
  package static func documents(from source: DocumentSource, fileName: String)
    throws(RetrievalError) -> [DocumentInput]?
  {
    let name = fileName.split(separator: "/").last ?? ""
    guard let dot = name.lastIndex(of: ".") else { return nil }
    let ending = name[name.index(after: dot)...].lowercased()
    guard let extractor = all.first(where: { $0.fileEndings.contains(ending) }) else { return nil }
    return try extractor.documents(from: source)
  }
}
