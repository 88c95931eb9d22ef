// WordprocessingML as Markdown. The elements of a paragraph, a run and a table that carry text are in
// ECMA-376 part 1, sections 17.3 and 17.4; what wraps them (content controls, insertions, links) is
// passed through. Recursion is as deep as libxml2 lets XML be, 256 levels.

struct WordText {
  private enum Style {
    case heading(Int)
    case item
  }

  private var writer = MarkdownWriter()
  /// By style id; ids are local words ("berschrift1"), names are not.
  private var styles: [String: Style] = [:]

  mutating func finished() -> String { writer.finished() }

  mutating func readStyles(_ root: MarkupNode) {
    for style in root.elements where style.elementName == "style" {
      guard let id = style.attribute("styleId"),
        let name = style.element("name")?.attribute("val")?.lowercased()
      else { continue }
      let outline = style.element("pPr")?.element("outlineLvl")?.attribute("val").flatMap {
        Int($0)
      }
      if name == "title" {
        styles[id] = .heading(1)
      } else if name.hasPrefix("heading "), let level = Int(name.dropFirst("heading ".count)) {
        styles[id] = .heading(level)
      } else if let outline, outline < 9 {
        styles[id] = .heading(outline + 1)
      } else if name.hasPrefix("list bullet") || name.hasPrefix("list number") {
        styles[id] = .item
      }
    }
  }

  mutating func readBlocks(of parent: MarkupNode) {
    for node in parent.elements {
      switch node.elementName {
      case "p": readParagraph(node)
      case "tbl": readTable(node)
      case "sdt": if let content = node.element("sdtContent") { readBlocks(of: content) }
      case "customXml", "ins", "moveTo", "smartTag": readBlocks(of: node)
      default: break
      }
    }
  }

  mutating func readFootnotes(_ root: MarkupNode) {
    for note in root.elements where note.attribute("type") == nil {
      guard let id = note.attribute("id") else { continue }
      writer.open(.paragraph)
      writer.append("[^\(id)]:")
      for paragraph in note.descendants("p") {
        writer.space()
        readInline(paragraph)
      }
      writer.close()
    }
  }

  // MARK: Paragraphs

  private mutating func readParagraph(_ paragraph: MarkupNode) {
    writer.open(block(of: paragraph))
    readInline(paragraph)
    writer.close()
  }

  private func block(of paragraph: MarkupNode) -> MarkdownWriter.Block {
    let properties = paragraph.element("pPr")
    if let level = properties?.element("outlineLvl")?.attribute("val").flatMap({ Int($0) }),
      (0..<9).contains(level)
    {
      return .heading(level + 1)
    }
    let style = properties?.element("pStyle")?.attribute("val").flatMap { styles[$0] }
    if case .heading(let level) = style { return .heading(level) }
    let numbering = properties?.element("numPr")
    if let id = numbering?.element("numId")?.attribute("val"), id != "0" {
      let depth = numbering?.element("ilvl")?.attribute("val").flatMap { Int($0) } ?? 0
      return .item(depth: max(0, depth), marker: "- ")
    }
    if case .item = style { return .item(depth: 0, marker: "- ") }
    return .paragraph
  }

  private mutating func readInline(_ parent: MarkupNode) {
    for node in parent.elements {
      switch node.elementName {
      case "t": writer.append(node.allText)
      case "tab", "ptab": writer.space()
      case "br", "cr": if node.attribute("type") == nil { writer.lineBreak() }
      case "noBreakHyphen": writer.append("\u{2011}")
      case "footnoteReference": writer.append("[^\(node.attribute("id") ?? "")]")
      case "AlternateContent": if let choice = node.element("Choice") { readInline(choice) }
      case "p":
        // In a text box.
        writer.space()
        readInline(node)
        writer.space()
      case "pPr", "rPr", "del", "moveFrom", "delText", "instrText", "footnoteRef", "Fallback": break
      default: readInline(node)
      }
    }
  }

  // MARK: Tables

  private mutating func readTable(_ table: MarkupNode) {
    for row in rows(of: table) {
      let cells = row.descendants(direct: "tc", through: ["sdt", "sdtContent", "customXml"])
      // A single cell frames text.
      if cells.count == 1, let only = cells.first {
        readBlocks(of: only)
      } else {
        writer.row(cells.map(text))
      }
    }
  }

  private func rows(of table: MarkupNode) -> [MarkupNode] {
    table.descendants(direct: "tr", through: ["sdt", "sdtContent", "customXml", "ins"])
  }

  private func text(of cell: MarkupNode) -> String {
    var inner = WordText()
    for paragraph in cell.descendants("p") {
      inner.writer.space()
      inner.readInline(paragraph)
    }
    return inner.writer.takeLine()
  }
}

extension MarkupNode {
  /// Children of this name, also those inside of wrappers.
  func descendants(direct name: String, through wrappers: Set<String>) -> [MarkupNode] {
    elements.flatMap { node -> [MarkupNode] in
      guard let own = node.elementName else { return [] }
      if own == name { return [node] }
      return wrappers.contains(own) ? node.descendants(direct: name, through: wrappers) : []
    }
  }
}
