// The chunks that share a word with the query, as rows of the index: those that the mask lets pass,
// with their BM25, by ascending row. Chunks that the index doesn't know are left out.

struct LexicalHits: Sendable {
  private let hits: [ScoredRow]

  init(_ matches: [LexicalMatch], index: CollectionIndex, mask: RowMask) {
    var hits: [ScoredRow] = []
    var row = 0
    var previous = Int64.min
    // Both sides ascend by chunk id, so one walk over them is enough.
    for match in matches {
      if match.chunk <= previous { row = 0 }
      previous = match.chunk
      while row < index.rowCount, index.chunkIDs[row] < match.chunk { row += 1 }
      guard row < index.rowCount, index.chunkIDs[row] == match.chunk, index.liveRows[row],
        mask.allows(row), match.score.isFinite
      else { continue }
      hits.append(ScoredRow(row: row, score: match.score))
    }
    self.hits = hits
  }

  func top(_ count: Int) -> [ScoredRow] {
    var best = TopRows(capacity: count)
    for hit in hits where hit.score >= best.threshold { best.insert(hit) }
    return best.sorted
  }

  /// nil where the row has none of the query's words.
  func score(ofRow row: Int) -> Double? {
    var low = 0
    var high = hits.count
    while low < high {
      let middle = (low + high) / 2
      if hits[middle].row < row { low = middle + 1 } else { high = middle }
    }
    return low < hits.count && hits[low].row == row ? hits[low].score : nil
  }
}
