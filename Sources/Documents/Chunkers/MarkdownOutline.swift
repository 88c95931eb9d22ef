// The blocks of a Markdown text (CommonMark 0.31, sections 4.1 to 4.9 as far as they matter here): headings,
// fenced code, and what is between empty lines. YAML front matter is one block. Every line that isn't
// blank is in exactly one block.

struct MarkdownOutline {
  enum Kind: Equatable {
    /// The title is where in the text it stands.
    case heading(level: Int, title: Range<Int>)
    case fence
    case other
  }

  struct Block {
    var range: Range<Int>
    var kind: Kind

    var isHeading: Bool {
      if case .heading = kind { return true }
      return false
    }
  }

  private(set) var blocks: [Block] = []
  private let scalars: [Unicode.Scalar]

  init(_ text: ScalarText) {
    scalars = text.scalars
    read(Self.lines(of: scalars))
  }

  // MARK: Reading

  /// Without their line ends.
  private static func lines(of scalars: [Unicode.Scalar]) -> [Range<Int>] {
    var lines: [Range<Int>] = []
    var start = 0
    for (position, scalar) in scalars.enumerated() where scalar == "\n" {
      let end = position > start && scalars[position - 1] == "\r" ? position - 1 : position
      lines.append(start..<end)
      start = position + 1
    }
    lines.append(start..<scalars.count)
    return lines
  }

  private mutating func read(_ lines: [Range<Int>]) {
    var index = 0
    if let end = frontMatterEnd(lines) {
      blocks.append(Block(range: lines[0].lowerBound..<lines[end].upperBound, kind: .other))
      index = end + 1
    }
    // Whether the last block is a paragraph that the next line may go on.
    var isOpen = false
    while index < lines.count {
      let line = lines[index]
      let content = scalars[line].drop { $0 == " " || $0 == "\t" }
      let indent = line.count - content.count
      if content.allSatisfy(\.isTrimmed) {
        isOpen = false
      } else if indent < 4, let fence = Self.fence(content) {
        let end = fenceEnd(fence, lines, from: index + 1)
        blocks.append(Block(range: line.lowerBound..<lines[end].upperBound, kind: .fence))
        index = end
        isOpen = false
      } else if indent < 4, let heading = Self.heading(content) {
        blocks.append(Block(range: line, kind: heading))
        isOpen = false
      } else if isOpen, indent < 4, let level = Self.underline(content), let last = blocks.popLast()
      {
        blocks.append(
          Block(
            range: last.range.lowerBound..<line.upperBound,
            kind: .heading(level: level, title: last.range)))
        isOpen = false
      } else if isOpen {
        blocks[blocks.count - 1].range = blocks[blocks.count - 1].range.lowerBound..<line.upperBound
      } else {
        blocks.append(Block(range: line, kind: .other))
        isOpen = true
      }
      index += 1
    }
  }

  /// The last line of YAML between two lines of hyphens at the beginning.
  private func frontMatterEnd(_ lines: [Range<Int>]) -> Int? {
    func isMark(_ line: Range<Int>) -> Bool { scalars[line].elementsEqual(["-", "-", "-"]) }
    guard isMark(lines[0]) else { return nil }
    return lines.indices.dropFirst().first { isMark(lines[$0]) }
  }

  private static func fence(_ content: ArraySlice<Unicode.Scalar>) -> (Unicode.Scalar, Int)? {
    guard let mark = content.first, mark == "`" || mark == "~" else { return nil }
    let count = content.prefix { $0 == mark }.count
    // Backticks in the info string would make it inline code.
    return count >= 3 && (mark == "~" || !content.dropFirst(count).contains("`"))
      ? (mark, count) : nil
  }

  /// The line that closes the fence, or the last one.
  private func fenceEnd(
    _ fence: (mark: Unicode.Scalar, count: Int), _ lines: [Range<Int>], from: Int
  )
    -> Int
  {
    for index in from..<max(from, lines.count) {
      let content = scalars[lines[index]].drop { $0 == " " }
      let count = content.prefix { $0 == fence.mark }.count
      if count >= fence.count, content.dropFirst(count).allSatisfy(\.isTrimmed) { return index }
    }
    return lines.count - 1
  }

  private static func heading(_ content: ArraySlice<Unicode.Scalar>) -> Kind? {
    let level = content.prefix { $0 == "#" }.count
    let rest = content.dropFirst(level)
    guard (1...6).contains(level), rest.first?.isTrimmed ?? true else { return nil }
    var title = rest[...]
    while let last = title.last, last.isTrimmed { title.removeLast() }
    let closing = title.reversed().prefix { $0 == "#" }.count
    let before = title.dropLast(closing)
    if closing > 0, before.last?.isTrimmed ?? true { title = before }
    return .heading(level: level, title: title.startIndex..<title.endIndex)
  }

  /// The level of the heading that a line of = or - makes of the paragraph above it.
  private static func underline(_ content: ArraySlice<Unicode.Scalar>) -> Int? {
    guard let mark = content.first, mark == "=" || mark == "-" else { return nil }
    guard content.drop(while: { $0 == mark }).allSatisfy(\.isTrimmed) else { return nil }
    return mark == "=" ? 1 : 2
  }
}
