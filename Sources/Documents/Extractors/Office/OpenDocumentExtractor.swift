// OpenDocument texts (ODT; OASIS OpenDocument 1.3): headings, paragraphs, lists, tables and notes as
// Markdown. Tracked deletions and comments are left out. Encrypted documents are refused.

import JSON

enum OpenDocumentExtractor: Extractor {
  static let contentTypes = ["application/vnd.oasis.opendocument.text"]
  static let fileEndings = ["odt", "ott"]

  static func recognizes(_ bytes: [UInt8]) -> Bool {
    guard let package = try? ZipPackage(bytes) else { return false }
    return package.has("content.xml") && package.has("META-INF/manifest.xml")
  }

  static func documents(from source: DocumentSource, _ context: inout ExtractionContext)
    throws(DocumentError) -> [DocumentInput]
  {
    let package = try ZipPackage(source.bytes)
    guard let content = try package.part("content.xml", &context) else {
      throw .invalidRequest(
        field: "body", message: "it is no OpenDocument text: it has no content.xml")
    }
    if let manifest = try package.part("META-INF/manifest.xml", &context),
      try MarkupTree.withXML(
        manifest, subject: "its manifest.xml", { !$0.descendants("encryption-data").isEmpty })
    {
      throw .invalidRequest(field: "body", message: "it is encrypted; save it without a password")
    }
    var text = OpenDocumentText()
    try MarkupTree.withXML(content, subject: "its content.xml") { root in
      if let body = root.element("body")?.element("text") {
        text.readBlocks(of: body, listDepth: 0)
      }
    }
    var metadata: JSONObject = [:]
    if let meta = try package.part("meta.xml", &context),
      let title = try MarkupTree.withXML(
        meta, subject: "its meta.xml", { $0.element("meta")?.element("title")?.allText }),
      !title.isEmpty
    {
      metadata["title"] = .string(title)
    }
    return [source.document(text.finished(), format: "odt", metadata)]
  }
}

/// OpenDocument's text elements as Markdown; recursion is as deep as libxml2 lets XML be.
struct OpenDocumentText {
  private var writer = MarkdownWriter()

  mutating func finished() -> String { writer.finished() }

  mutating func readBlocks(of parent: MarkupNode, listDepth: Int) {
    for node in parent.elements {
      switch node.elementName {
      case "h":
        let level = node.attribute("outline-level").flatMap { Int($0) } ?? 1
        readParagraph(node, .heading(level))
      case "p": readParagraph(node, .paragraph)
      case "list": readList(node, depth: listDepth)
      case "table": readTable(node)
      case "section", "index-body", "table-of-content", "list-header":
        readBlocks(of: node, listDepth: listDepth)
      default: break
      }
    }
  }

  private mutating func readParagraph(_ node: MarkupNode, _ block: MarkdownWriter.Block) {
    writer.open(block)
    readInline(node)
    writer.close()
  }

  private mutating func readList(_ list: MarkupNode, depth: Int) {
    for item in list.elements {
      var isFirst = true
      for node in item.elements {
        switch node.elementName {
        case "list": readList(node, depth: depth + 1)
        case "p", "h":
          readParagraph(node, isFirst ? .item(depth: depth, marker: "- ") : .paragraph)
          isFirst = false
        default: break
        }
      }
    }
  }

  private mutating func readInline(_ parent: MarkupNode) {
    guard let first = parent.pointee.children else { return }
    for node in first.siblings {
      if let text = node.ownText {
        writer.append(text)
        continue
      }
      switch node.elementName {
      case "s", "tab": writer.space()
      case "line-break": writer.lineBreak()
      case "note":
        if let body = node.element("note-body") {
          writer.append(" (")
          readInline(body)
          writer.append(") ")
        }
      case "annotation", "annotation-end", "tracked-changes", "ruby-text", nil: break
      case "p", "h":
        // In a frame or a note.
        writer.space()
        readInline(node)
        writer.space()
      default: readInline(node)
      }
    }
  }

  private mutating func readTable(_ table: MarkupNode) {
    let rows = table.descendants(
      direct: "table-row", through: ["table-header-rows", "table-rows", "table-row-group"])
    for row in rows {
      let cells = row.elements.filter { $0.elementName == "table-cell" }
      writer.row(
        cells.map { cell in
          var inner = OpenDocumentText()
          inner.readInline(cell)
          return inner.writer.takeLine()
        })
    }
  }
}
