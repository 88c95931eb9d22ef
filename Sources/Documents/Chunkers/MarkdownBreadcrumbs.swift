// The path of headings above any place of a Markdown text. Apart from the outline because most who ask for
// that need no titles.

struct MarkdownBreadcrumbs {
  private let blocks: [MarkdownOutline.Block]
  /// By block: the path of headings over what follows it.
  private let paths: [String?]

  init(_ text: ScalarText) {
    blocks = MarkdownOutline(text).blocks
    paths = Self.paths(blocks, in: text)
  }

  /// Headings from the highest down to the one that the range is under, joined by " > "; nil where
  /// there is none. A range that begins with headings is under those.
  func breadcrumb(of range: Range<Int>) -> String? {
    var (first, end) = (0, blocks.count)
    while first < end {
      let middle = (first + end) / 2
      if blocks[middle].range.upperBound > range.lowerBound {
        end = middle
      } else {
        first = middle + 1
      }
    }
    while first < blocks.count, blocks[first].isHeading,
      blocks[first].range.lowerBound < range.upperBound
    {
      first += 1
    }
    return first > 0 ? paths[first - 1] : nil
  }

  private static func paths(_ blocks: [MarkdownOutline.Block], in text: ScalarText) -> [String?] {
    var headings: [(level: Int, title: String)] = []
    var path: String?
    return blocks.map { block in
      guard case .heading(let level, let range) = block.kind else { return path }
      headings.removeAll { $0.level >= level }
      let title = text.string(range).split(whereSeparator: \.isWhitespace).joined(separator: " ")
      headings.append((level, title))
      let titles = headings.map(\.title).filter { !$0.isEmpty }
      path = titles.isEmpty ? nil : titles.joined(separator: " > ")
      return path
    }
  }
}
