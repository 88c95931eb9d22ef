// The readable text of an HTML page as Markdown, with its title. Scripts, styles, navigation, forms
// and what is hidden are left out; tables that hold headings or other tables only arrange a page, and
// are read as paragraphs.

struct HTMLText {
  private(set) var title: String?
  private(set) var text = ""

  private var writer = MarkdownWriter()
  private var hasMainHeading = false
  private var lists: [List] = []
  private var tables: [Table] = []

  private struct List {
    /// nil: bullets.
    var number: Int?
  }

  private struct Table {
    var isLayout = false
    var isInCell = false
    var cells: [String] = []
  }

  init(_ html: String) throws(DocumentError) {
    var walker = self
    try MarkupTree.withHTML(html) { (root) throws(DocumentError) in
      root?.walk(enter: { walker.enter($0) }, leave: { walker.leave($0) })
    }
    self = walker
    text = writer.finished()
    // Words of the title are found even where the page shows them nowhere.
    if let title, !hasMainHeading { text = text.isEmpty ? "# \(title)" : "# \(title)\n\n\(text)" }
  }

  private init() {}

  // MARK: Walking

  private mutating func enter(_ node: MarkupNode) -> Bool {
    if let text = node.ownText {
      writer.append(text)
      return false
    }
    guard let name = node.elementName else { return false }
    if name == "title" {
      title = title ?? Self.collapsed(node.allText)
      return false
    }
    if name == "head" { return true }
    if Self.isLeftOut(name, node) { return false }
    switch name {
    case "br": isInCell ? writer.space() : writer.lineBreak()
    case "hr": startBlock()
    case "img": if let alternative = node.attribute("alt") { writer.append(alternative) }
    case "pre": return preformatted(node)
    case "h1", "h2", "h3", "h4", "h5", "h6": openHeading(Int(name.dropFirst()) ?? 1)
    case "ul", "ol", "menu":
      startBlock()
      lists.append(List(number: name == "ol" ? Int(node.attribute("start") ?? "") ?? 1 : nil))
    case "li": openItem()
    case "table": openTable()
    case "tr", "td", "th": openTablePart(name)
    default: if Self.blocks.contains(name) { startBlock() }
    }
    return true
  }

  private mutating func leave(_ node: MarkupNode) {
    guard let name = node.elementName, !Self.isLeftOut(name, node) else { return }
    switch name {
    case "h1", "h2", "h3", "h4", "h5", "h6", "li", "dt", "dd":
      isInCell ? writer.space() : writer.close()
    case "ul", "ol", "menu":
      startBlock()
      _ = lists.popLast()
    case "table":
      closeRow()
      _ = tables.popLast()
    case "tr": closeRow()
    case "td", "th": closeCell()
    default: if Self.blocks.contains(name) { startBlock() }
    }
  }

  // MARK: Blocks

  private var isInCell: Bool { tables.last.map { $0.isInCell && !$0.isLayout } ?? false }

  private mutating func startBlock() { isInCell ? writer.space() : writer.open(.paragraph) }

  private mutating func openHeading(_ level: Int) {
    if isInCell { makeTableLayout() }
    if level == 1 { hasMainHeading = true }
    writer.open(.heading(level))
  }

  private mutating func openItem() {
    guard !isInCell else { return writer.space() }
    var marker = "- "
    if let number = lists.last?.number {
      marker = "\(number). "
      lists[lists.count - 1].number = number &+ 1
    }
    writer.open(.item(depth: max(0, lists.count - 1), marker: marker))
  }

  private mutating func preformatted(_ node: MarkupNode) -> Bool {
    guard !isInCell else { return true }
    let language = node.element("code")?.attribute("class")?.split(separator: " ")
      .first { $0.hasPrefix("language-") }?.dropFirst("language-".count)
    writer.code(node.allText, language: language.map(String.init) ?? "")
    return false
  }

  // MARK: Tables

  private mutating func openTable() {
    if isInCell { makeTableLayout() }
    startBlock()
    tables.append(Table())
  }

  /// What the open table's cells hold so far becomes a row and a paragraph. Those around it are
  /// layout already.
  private mutating func makeTableLayout() {
    let cells = tables[tables.count - 1].cells
    tables[tables.count - 1].isLayout = true
    tables[tables.count - 1].cells = []
    let line = writer.takeLine()
    writer.row(cells)
    writer.open(.paragraph)
    writer.append(line)
  }

  private mutating func openTablePart(_ name: String) {
    guard !tables.isEmpty else { return startBlock() }
    if name == "tr" {
      closeRow()
    } else if tables[tables.count - 1].isLayout {
      writer.open(.paragraph)
    } else {
      if isInCell { closeCell() }
      // A caption, or text where none belongs.
      if tables[tables.count - 1].cells.isEmpty { writer.open(.paragraph) }
      tables[tables.count - 1].isInCell = true
    }
  }

  private mutating func closeCell() {
    guard isInCell else { return }
    tables[tables.count - 1].isInCell = false
    tables[tables.count - 1].cells.append(writer.takeLine())
  }

  private mutating func closeRow() {
    guard !tables.isEmpty else { return }
    closeCell()
    let cells = tables[tables.count - 1].cells
    tables[tables.count - 1].cells = []
    writer.row(cells)
  }

  // MARK: Elements

  private static let leftOut: Set<String> = [
    "script", "style", "template", "noscript", "nav", "svg", "math", "iframe", "object", "embed",
    "applet", "audio", "video", "canvas", "map", "button", "select", "textarea", "datalist", "rt",
    "rp", "dialog",
  ]

  private static let blocks: Set<String> = [
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details",
    "div",
    "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hgroup", "html",
    "legend", "main", "p", "search", "section", "summary", "tbody", "tfoot", "thead",
  ]

  private static func isLeftOut(_ name: String, _ node: MarkupNode) -> Bool {
    if leftOut.contains(name) { return true }
    guard node.pointee.properties != nil else { return false }
    if node.attribute("hidden") != nil || node.attribute("aria-hidden") == "true" { return true }
    if node.attribute("role") == "navigation" { return true }
    guard let style = node.attribute("style") else { return false }
    return style.lowercased().filter { $0 != " " }.contains("display:none")
  }

  private static func collapsed(_ text: String) -> String? {
    let words = text.split(whereSeparator: \.isWhitespace)
    return words.isEmpty ? nil : words.joined(separator: " ")
  }
}
