// Text of documents with structure, written as Markdown: headings, list items, rows of tables and
// code, separated as Markdown separates them, with white space collapsed as browsers do. What comes
// in between is the caller's business; nothing is escaped, because the result is read and searched.

struct MarkdownWriter {
  enum Block: Equatable {
    case paragraph
    /// 1 is the highest.
    case heading(Int)
    /// Depth from 0; the marker with its space.
    case item(depth: Int, marker: String)
    case row
    case code
  }

  private(set) var text = ""
  /// Inline text of the block in the making.
  private var line = String.UnicodeScalarView()
  private var block = Block.paragraph
  /// What `text` ends with.
  private var written: Block?
  /// White space that counts only if more text follows.
  private var pending = Pending.nothing

  private enum Pending { case nothing, space, lineEnd }

  /// Ends what went before and begins a block. A paragraph at the beginning of an item is the item.
  mutating func open(_ next: Block) {
    flush()
    if next == .paragraph, case .item = block { return }
    block = next
  }

  /// Ends the block, whether it got text or not.
  mutating func close() {
    flush()
    block = .paragraph
  }

  mutating func append(_ string: String) {
    for scalar in string.unicodeScalars {
      switch scalar {
      case " ", "\t", "\u{0C}": if pending == .nothing { pending = .space }
      case "\n", "\r": pending = .lineEnd
      default:
        writePending(before: scalar)
        line.append(scalar)
      }
    }
  }

  /// White space between what is before and what follows.
  mutating func space() { if pending == .nothing { pending = .space } }

  mutating func lineBreak() {
    pending = .nothing
    guard let last = line.last, last != "\n" else { return }
    if case .heading = block { pending = .space } else { line.append("\n") }
  }

  /// Text that keeps its white space, fenced.
  mutating func code(_ code: String, language: String = "") {
    flush()
    var body = code[...]
    if body.hasPrefix("\n") { body = body.dropFirst() }
    while let last = body.last, last.isNewline { body = body.dropLast() }
    guard body.contains(where: { !$0.isWhitespace }) else { return }
    var fence = "```"
    while body.contains(fence) { fence += "`" }
    write("\(fence)\(language)\n\(body)\n\(fence)", .code)
  }

  mutating func row(_ cells: [String]) {
    flush()
    guard cells.contains(where: { !$0.isEmpty }) else { return }
    write("| \(cells.joined(separator: " | ")) |", .row)
  }

  /// The inline text so far, taken out: a table's cell.
  mutating func takeLine() -> String {
    defer {
      line = String.UnicodeScalarView()
      pending = .nothing
    }
    return String(line.map { $0 == "\n" ? " " : Character($0) })
  }

  mutating func finished() -> String {
    close()
    return text
  }

  // MARK: Writing

  private mutating func writePending(before next: Unicode.Scalar) {
    defer { pending = .nothing }
    guard pending != .nothing, let last = line.last, last != "\n" else { return }
    // Chinese and Japanese lines are broken between any two characters; the break is no space
    // (CSS Text Level 4, section 5.1).
    if pending == .lineEnd, last.isWrittenWithoutSpaces, next.isWrittenWithoutSpaces { return }
    line.append(" ")
  }

  private mutating func flush() {
    pending = .nothing
    while let last = line.last, last == "\n" { line.removeLast() }
    guard !line.isEmpty else { return }
    let content = String(line)
    line = String.UnicodeScalarView()
    switch block {
    case .heading(let level):
      write(String(repeating: "#", count: min(max(level, 1), 6)) + " " + content, block)
    case .item(let depth, let marker):
      write(String(repeating: "  ", count: min(depth, 8)) + marker + content, block)
    default: write(content, .paragraph)
    }
    block = .paragraph
  }

  private mutating func write(_ content: String, _ kind: Block) {
    if let written {
      switch (written, kind) {
      case (.item, .item), (.row, .row): text += "\n"
      default: text += "\n\n"
      }
    }
    text += content
    written = kind
  }
}

extension Unicode.Scalar {
  /// Han, kana, and the punctuation and full-width forms used with them.
  fileprivate var isWrittenWithoutSpaces: Bool {
    switch value {
    case 0x2E80...0x9FFF, 0xF900...0xFAFF, 0xFE30...0xFE4F, 0xFF00...0xFFEF, 0x20000...0x3FFFF: true
    default: false
    }
  }
}
