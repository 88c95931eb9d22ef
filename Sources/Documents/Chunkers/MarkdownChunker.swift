// Cuts Markdown at its headings: a chunk never goes on under another heading, except that headings
// without text of their own go with the next. Within a section whole blocks are put together up to the
// size; fenced code is cut only where it alone is too long, between lines; other blocks between
// sentences.

struct MarkdownChunker: Chunker {
  let size: Int
  let overlap: Int
  let limit: TokenLimit?

  func chunks(of text: ScalarText) -> [Range<Int>] {
    sections(MarkdownOutline(text).blocks).flatMap { chunks(of: $0, in: text) }
  }

  private func sections(_ blocks: [MarkdownOutline.Block]) -> [ArraySlice<MarkdownOutline.Block>] {
    var sections: [ArraySlice<MarkdownOutline.Block>] = []
    var start = 0
    for index in blocks.indices where blocks[index].isHeading && index > start {
      if !blocks[index - 1].isHeading {
        sections.append(blocks[start..<index])
        start = index
      }
    }
    if start < blocks.count { sections.append(blocks[start...]) }
    return sections
  }

  private func chunks(of section: ArraySlice<MarkdownOutline.Block>, in text: ScalarText)
    -> [Range<Int>]
  {
    var chunks: [Range<Int>] = []
    var first = section.startIndex
    while first < section.endIndex {
      // Headings stay with what follows them.
      let body = section[first...].firstIndex { !$0.isHeading } ?? section.endIndex - 1
      var end = body + 1
      guard fits(join(section, first, end), in: text) else {
        chunks += split(join(section, first, end), section[body].kind, in: text)
        first = end
        continue
      }
      while end < section.endIndex, fits(join(section, first, end + 1), in: text) { end += 1 }
      chunks.append(text.trimmed(join(section, first, end)))
      guard end < section.endIndex else { break }
      first = overlapStart(section, from: first, to: end, in: text)
    }
    return chunks
  }

  /// Where the chunk after `section[first..<end]` begins: as many blocks back as fit into the overlap
  /// and leave room for one more.
  private func overlapStart(
    _ section: ArraySlice<MarkdownOutline.Block>, from first: Int, to end: Int, in text: ScalarText
  ) -> Int {
    var start = end
    while start - 1 > first, !section[start - 1].isHeading,
      join(section, start - 1, end).count <= overlap,
      fits(join(section, start - 1, end + 1), in: text)
    {
      start -= 1
    }
    return start
  }

  private func split(_ range: Range<Int>, _ kind: MarkdownOutline.Kind, in text: ScalarText)
    -> [Range<Int>]
  {
    guard kind == .fence else {
      return SentenceChunker(size: size, overlap: overlap, limit: limit)
        .chunks(of: text, within: range)
    }
    return RecursiveChunker(
      size: size, overlap: 0, limit: limit, separators: [["\n"], [" "], []]
    ).chunks(of: text, within: range)
  }

  private func join(_ section: ArraySlice<MarkdownOutline.Block>, _ first: Int, _ end: Int)
    -> Range<Int>
  {
    section[first].range.lowerBound..<section[end - 1].range.upperBound
  }

  private func fits(_ range: Range<Int>, in text: ScalarText) -> Bool {
    let range = text.trimmed(range)
    return range.count <= size && limit?.allows(range, of: text) ?? true
  }
}
