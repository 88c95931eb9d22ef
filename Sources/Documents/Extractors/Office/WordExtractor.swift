// Word documents (DOCX; ECMA-376): paragraphs, headings by their styles, lists, tables and footnotes
// as Markdown. Deleted text, field codes, headers and footers are left out.

import JSON

enum WordExtractor: Extractor {
  static let contentTypes = [
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.ms-word.document.macroenabled.12",
  ]
  static let fileEndings = ["docx", "docm", "dotx"]

  static func recognizes(_ bytes: [UInt8]) -> Bool {
    guard let package = try? ZipPackage(bytes) else { return false }
    return package.has("[Content_Types].xml")
      && package.entries.contains { $0.name.hasPrefix("word/") }
  }

  static func documents(from source: DocumentSource, _ context: inout ExtractionContext)
    throws(DocumentError) -> [DocumentInput]
  {
    let package = try ZipPackage(source.bytes)
    let main = try mainPart(of: package, &context)
    guard let document = try package.part(main, &context) else {
      throw .invalidRequest(field: "body", message: "it is no Word document: it has no \(main)")
    }
    let folder = main.lastIndex(of: "/").map { String(main[...$0]) } ?? ""
    var text = WordText()
    if let styles = try package.part(folder + "styles.xml", &context) {
      try MarkupTree.withXML(styles, subject: "its styles.xml") { text.readStyles($0) }
    }
    try MarkupTree.withXML(document, subject: "its \(main)") { root in
      if let body = root.element("body") { text.readBlocks(of: body) }
    }
    if let notes = try package.part(folder + "footnotes.xml", &context) {
      try MarkupTree.withXML(notes, subject: "its footnotes.xml") { text.readFootnotes($0) }
    }
    var metadata: JSONObject = [:]
    if let core = try package.part("docProps/core.xml", &context),
      let title = try MarkupTree.withXML(
        core, subject: "its core.xml", { $0.element("title")?.allText }), !title.isEmpty
    {
      metadata["title"] = .string(title)
    }
    return [source.document(text.finished(), format: "docx", metadata)]
  }

  /// The part that the package's relationships call the document.
  private static func mainPart(of package: ZipPackage, _ context: inout ExtractionContext)
    throws(DocumentError) -> String
  {
    let usual = "word/document.xml"
    guard !package.has(usual), let relations = try package.part("_rels/.rels", &context) else {
      return usual
    }
    let target = try MarkupTree.withXML(relations, subject: "its .rels") { root in
      root.elements.first { $0.attribute("Type")?.hasSuffix("/officeDocument") ?? false }?
        .attribute("Target")
    }
    return target.map { $0.hasPrefix("/") ? String($0.dropFirst()) : $0 } ?? usual
  }
}
