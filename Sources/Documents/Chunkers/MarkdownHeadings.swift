// The headings of a text for those who aren't chunkers, by the same rules: what is a heading, and what
// only looks like one (code, comments of source code), is decided in one place.

package enum MarkdownHeadings {
  /// Levels and where the headings begin, in order.
  /// - Parameter format: what the document was made from; where nothing says so, the text may be Markdown
  package static func find(in text: ScalarText, format: String?) -> [(level: Int, start: Int)] {
    guard ExtractedFormat.hasHeadings(format) ?? true else { return [] }
    return MarkdownOutline(text).blocks.compactMap { block in
      guard case .heading(let level, _) = block.kind else { return nil }
      return (level, block.range.lowerBound)
    }
  }
}
