// Cuts at a separator and merges pieces up to a size, with the same cuts as LangChain's
// CharacterTextSplitter. Where separators follow each other directly LangChain drops all but one
// from a chunk's text; here the chunk is the exact slice. Ignores the embedding model's limit.

struct CharacterChunker: Chunker {
  let size: Int
  let overlap: Int
  /// Empty: every scalar is a piece.
  let separator: [Unicode.Scalar]

  init(size: Int, overlap: Int, separator: String) {
    self.size = size
    self.overlap = overlap
    self.separator = Array(separator.unicodeScalars)
  }

  func chunks(of text: ScalarText) -> [Range<Int>] {
    PieceMerger(size: size, overlap: overlap, separatorCount: separator.count)
      .merge(text.pieces(within: 0..<text.count, separatedBy: separator), in: text)
  }
}

extension ScalarText {
  /// Where the separator begins in the range, from left to right, without overlaps.
  func occurrences(of separator: [Unicode.Scalar], within range: Range<Int>) -> [Int] {
    guard let first = separator.first else { return [] }
    var found: [Int] = []
    var position = range.lowerBound
    while position + separator.count <= range.upperBound {
      let end = position + separator.count
      if scalars[position] == first, scalars[position..<end].elementsEqual(separator) {
        found.append(position)
        position = end
      } else {
        position += 1
      }
    }
    return found
  }

  /// What lies between separators, empty pieces left out.
  func pieces(within range: Range<Int>, separatedBy separator: [Unicode.Scalar]) -> [Range<Int>] {
    guard !separator.isEmpty else { return range.map { $0..<$0 + 1 } }
    var pieces: [Range<Int>] = []
    var start = range.lowerBound
    for position in occurrences(of: separator, within: range) {
      if start < position { pieces.append(start..<position) }
      start = position + separator.count
    }
    if start < range.upperBound { pieces.append(start..<range.upperBound) }
    return pieces
  }
}
