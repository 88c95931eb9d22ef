// LangChain's way of putting pieces together (TextSplitter._merge_splits): pieces are added while
// the chunk stays within the size; the next chunk starts with those last pieces of the previous one
// that fit into the overlap. A piece longer than the size becomes a chunk by itself.
// The chunk is the slice of text from the first piece to the last, trimmed.

struct PieceMerger: Sendable {
  let size: Int
  let overlap: Int
  /// Scalars that LangChain counts between two pieces, whatever is really there.
  let separatorCount: Int

  func merge(_ pieces: [Range<Int>], in text: ScalarText) -> [Range<Int>] {
    var chunks: [Range<Int>] = []
    // The chunk in the making is pieces[first..<next], `total` scalars long.
    var first = 0
    var total = 0
    func append(to end: Int) {
      guard first < end else { return }
      let range = text.trimmed(pieces[first].lowerBound..<pieces[end - 1].upperBound)
      if !range.isEmpty { chunks.append(range) }
    }
    for (next, piece) in pieces.enumerated() {
      func lengthWithPiece() -> Int {
        total + piece.count + (next > first ? separatorCount : 0)
      }
      if lengthWithPiece() > size, next > first {
        append(to: next)
        while total > overlap || (lengthWithPiece() > size && total > 0) {
          total -= pieces[first].count + (next - first > 1 ? separatorCount : 0)
          first += 1
        }
      }
      total += piece.count + (next > first ? separatorCount : 0)
    }
    append(to: pieces.count)
    return chunks
  }
}
