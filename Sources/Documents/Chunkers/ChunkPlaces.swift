// Where in a document a chunk is, as readers say it: on which page, under which headings. Pages end
// in form feeds, as PDF extractors and old printers have it; headings are those of texts in Markdown.

package struct ChunkPlaces {
  private let pageEnds: [Int]
  private let breadcrumbs: MarkdownBreadcrumbs?

  /// - Parameters:
  ///   - format: what the document was made from; where nothing says so, a text that is cut as
  ///     Markdown is Markdown
  package init(_ text: ScalarText, format: String?, strategy: ChunkingStrategy) {
    pageEnds = text.scalars.indices.filter { text.scalars[$0] == "\u{0C}" }
    let hasHeadings = ExtractedFormat.hasHeadings(format) ?? (strategy == .markdown)
    breadcrumbs = hasHeadings ? MarkdownBreadcrumbs(text) : nil
  }

  /// The page on which the chunk begins, from 1; nil where the text has no pages.
  package func page(of range: Range<Int>) -> Int? {
    guard !pageEnds.isEmpty else { return nil }
    var (low, high) = (0, pageEnds.count)
    while low < high {
      let middle = (low + high) / 2
      if pageEnds[middle] < range.lowerBound { low = middle + 1 } else { high = middle }
    }
    return low + 1
  }

  package func heading(of range: Range<Int>) -> String? { breadcrumbs?.breadcrumb(of: range) }
}
