// The lexical side of a search: BM25 of a chunk's text, plus that of the metadata fields which the
// request boosts. Fields are indexed per document, when a request first names them; what they add
// counts for every chunk of the document.

import Compute
import SearchIndex

struct WordSearch {
  private let text: LexicalSearch
  private let fields: [Field]
  private let index: CollectionIndex
  /// Rows that may be found; nil: all.
  private let mask: RowBitmap?

  private struct Field {
    var boost: FieldBoost
    /// Its rows are documents.
    var search: LexicalSearch
  }

  /// Chunks of a document that are looked at because of a field, those found by their text aside.
  private static let maximumChunks = 64

  init(
    _ query: String, _ index: CollectionIndex, _ mask: RowBitmap?, boosts: [FieldBoost],
    language: String, pool: ThreadPool
  ) throws(ComputeError) {
    let query = LexicalQuery(query, language: language)
    self.index = index
    self.mask = mask
    text = LexicalSearch(query, in: index.words, mask: mask)
    var fields: [Field] = []
    let boosts = boosts.filter { $0.weight > 0 }
    let allowed = boosts.isEmpty ? RowBitmap() : index.documents(of: mask)
    for boost in boosts {
      let words = try index.cache.words(
        boost.key, of: index.documents, language: language, pool)
      let search = LexicalSearch(query, in: words, mask: allowed.resized(words.rowCount))
      fields.append(Field(boost: boost, search: search))
    }
    self.fields = fields
  }

  /// The best rows with any of the query's words, best first.
  func top(_ count: Int) -> [ScoredRow] {
    let found = text.top(count)
    guard !fields.isEmpty else { return found }
    var rows = Set(found.map(\.row))
    for field in fields {
      for hit in field.search.top(count) {
        let own = index.documents.rows(ofSlot: hit.row)
        rows.formUnion(own.prefix(Self.maximumChunks).filter { mask?[$0] ?? true })
      }
    }
    let ascending = rows.sorted()
    var top = TopRows(capacity: count)
    for (row, score) in zip(ascending, scores(ofRows: ascending)) {
      if let score { top.insert(ScoredRow(row: row, score: score)) }
    }
    return top.sorted
  }

  /// The scores of rows, which ascend; nil where a row has none of the words.
  func scores(ofRows rows: [Int]) -> [Double?] {
    var scores = text.scores(ofRows: rows)
    guard !fields.isEmpty else { return scores }
    let documents = rows.map { index.documentSlots[$0] }
    let ascending = Set(documents).sorted()
    for field in fields {
      let own = Dictionary(
        uniqueKeysWithValues: zip(ascending, field.search.scores(ofRows: ascending)))
      for (place, document) in documents.enumerated() {
        guard let score = own[document] ?? nil else { continue }
        scores[place] = (scores[place] ?? 0) + field.boost.weight * score
      }
    }
    return scores
  }

  /// What each word of the text adds to a row's score, and what each field does.
  func parts(ofRow row: Int) -> (text: [ClauseScore], fields: [(FieldBoost, [ClauseScore])]) {
    let document = index.documentSlots[row]
    return (
      text.parts(ofRow: row),
      fields.map { ($0.boost, $0.search.parts(ofRow: document)) }
    )
  }
}
