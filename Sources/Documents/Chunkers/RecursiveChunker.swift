// Cuts at paragraphs, then lines, then words, then anywhere: the coarsest separator that makes
// pieces small enough, with the same cuts as LangChain's RecursiveCharacterTextSplitter; for source
// code at what begins definitions first. Separators stay at the start of the piece that they precede.
// With a token limit, a chunk that the embedding model wouldn't see whole is cut again by half its size.

struct RecursiveChunker: Chunker {
  let size: Int
  let overlap: Int
  let limit: TokenLimit?
  /// From coarse to fine; the last is empty and cuts anywhere.
  var separators = CodeSeparators.text

  func chunks(of text: ScalarText) -> [Range<Int>] {
    let chunks = split(0..<text.count, of: text, separators: separators[...], size: size)
    guard let limit else { return chunks }
    let fitting = chunks.flatMap { fit($0, of: text, size: size, limit: limit) }
    // Where the model sees them all, the cuts are LangChain's, the ends that it repeats included.
    return fitting == chunks ? chunks : ascending(fitting)
  }

  /// In order, without those that lie within others: parts of a chunk may come to lie behind the
  /// beginning of the next one, which overlapped it.
  private func ascending(_ chunks: [Range<Int>]) -> [Range<Int>] {
    var end = 0
    return chunks.sorted { ($0.lowerBound, $1.upperBound) < ($1.lowerBound, $0.upperBound) }
      .filter { chunk in
        defer { end = max(end, chunk.upperBound) }
        return chunk.upperBound > end
      }
  }

  private func split(
    _ range: Range<Int>, of text: ScalarText, separators: ArraySlice<[Unicode.Scalar]>, size: Int
  ) -> [Range<Int>] {
    let chosen =
      separators.firstIndex { $0.isEmpty || !text.occurrences(of: $0, within: range).isEmpty }
      ?? separators.endIndex - 1
    let finer = separators[separators.index(after: chosen)...]
    let merger = PieceMerger(
      size: size, overlap: size < self.size ? min(overlap, size / 2) : overlap, separatorCount: 0)
    var chunks: [Range<Int>] = []
    var small: [Range<Int>] = []
    for piece in text.piecesKeepingSeparator(within: range, separators[chosen]) {
      if piece.count < size {
        small.append(piece)
        continue
      }
      chunks += merger.merge(small, in: text)
      small = []
      if finer.isEmpty {
        chunks.append(piece)
      } else {
        chunks += split(piece, of: text, separators: finer, size: size)
      }
    }
    return chunks + merger.merge(small, in: text)
  }

  private func fit(_ range: Range<Int>, of text: ScalarText, size: Int, limit: TokenLimit)
    -> [Range<Int>]
  {
    guard range.count > 1, !limit.allows(range, of: text) else { return [range] }
    let smaller = max(1, min(size, range.count) / 2)
    return split(range, of: text, separators: separators[...], size: smaller)
      .flatMap { fit($0, of: text, size: smaller, limit: limit) }
  }
}

extension ScalarText {
  /// The range cut before each separator; nothing is left out.
  fileprivate func piecesKeepingSeparator(within range: Range<Int>, _ separator: [Unicode.Scalar])
    -> [Range<Int>]
  {
    guard !separator.isEmpty else { return range.map { $0..<$0 + 1 } }
    var pieces: [Range<Int>] = []
    var start = range.lowerBound
    for position in occurrences(of: separator, within: range) {
      if start < position { pieces.append(start..<position) }
      start = position
    }
    if start < range.upperBound { pieces.append(start..<range.upperBound) }
    return pieces
  }
}
