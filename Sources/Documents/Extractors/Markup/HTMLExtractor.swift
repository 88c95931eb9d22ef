// HTML pages: their readable text, and the title in the metadata. The encoding is the one that a byte
// order mark, the Content-Type or a meta element says, in this order, where the bytes bear it out.

import JSON

enum HTMLExtractor: Extractor {
  static let contentTypes = ["text/html", "application/xhtml+xml"]
  static let fileEndings = ["html", "htm", "xhtml"]

  static func recognizes(_ bytes: [UInt8]) -> Bool {
    let start = bytes.prefix(512).drop { [0x20, 0x09, 0x0A, 0x0D, 0xEF, 0xBB, 0xBF].contains($0) }
    let text = String(decoding: start, as: UTF8.self).lowercased()
    return text.hasPrefix("<!doctype html") || text.hasPrefix("<html")
  }

  static func documents(from source: DocumentSource, _ context: inout ExtractionContext)
    throws(DocumentError) -> [DocumentInput]
  {
    let page = try HTMLText(decode(source.bytes, charset: source.charset))
    var metadata: JSONObject = [:]
    if let title = page.title { metadata["title"] = .string(title) }
    return [source.document(page.text, format: "html", metadata)]
  }

  static func decode(_ bytes: [UInt8], charset: String?) throws(DocumentError) -> String {
    try TextDecoding.decode(bytes, charset: charset ?? declaredCharset(bytes))
  }

  /// What the beginning of the page says: `<meta charset=`, `<meta ... content="...; charset=` or an
  /// XML declaration's `encoding=` (HTML, section 13.2.3.2).
  static func declaredCharset(_ bytes: [UInt8]) -> String? {
    let start = String(decoding: bytes.prefix(2048).map { $0 < 0x80 ? $0 : 0x3F }, as: UTF8.self)
      .lowercased()
    for key in ["charset", "encoding"] {
      guard let found = start.firstRange(of: key) else { continue }
      let rest = start[found.upperBound...].drop { $0 == " " }
      guard rest.first == "=" else { continue }
      let value = rest.dropFirst().drop { " \"'".contains($0) }
        .prefix { $0.isLetter || $0.isNumber || "-_:".contains($0) }
      // A page that says so in ASCII isn't in UTF-16.
      if !value.isEmpty, !value.hasPrefix("utf-16") { return String(value) }
    }
    return nil
  }
}
