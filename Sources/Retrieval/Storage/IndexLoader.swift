// Builds the index of a collection at start: from a snapshot where there is a current one, otherwise
// from the database, cutting texts into words on all threads.
// Refuses rows that can't be right as damage: vectors of another length, values that aren't finite.

import Compute
import GRDB
import JSON
import SearchIndex

struct IndexLoader {
  let record: CollectionRecord
  let snapshots: IndexSnapshots
  let pool: ThreadPool

  private var language: String { record.settings.language }

  /// Texts that are cut at a time.
  private static let batchSize = 8192

  func load(_ database: Database) throws -> CollectionIndex {
    if let saved = snapshots.load(record),
      let index = CollectionIndex(record, saved, try documents(database))
    {
      return index
    }
    var words = LexicalIndex()
    var texts: [String] = []
    var index = try rows(database) { text in
      texts.append(text)
      guard texts.count == Self.batchSize else { return }
      words = try words.appending(texts, language: language, pool)
      texts.removeAll(keepingCapacity: true)
    }
    index.setWords(try words.appending(texts, language: language, pool))
    return index
  }

  /// The index without its words; `take` sees each chunk's text.
  private func rows(_ database: Database, _ take: (String) throws -> Void) throws
    -> CollectionIndex
  {
    var index = CollectionIndex(record, snapshots.storage)
    var documents = try documents(database)
    // Ordered by chunk: a document that was replaced has newer chunks than its own id says.
    let chunks = try Row.fetchCursor(
      database,
      sql: """
        SELECT chunks.id, chunks.document, chunks.vector, chunks.text
        FROM chunks JOIN documents ON documents.id = chunks.document
        WHERE documents.collection = ? ORDER BY chunks.id
        """, arguments: [record.id])
    var pending: IndexChange.Addition?
    while let row = try chunks.next() {
      let document = try row.int64(at: 1)
      if pending?.rowID != document {
        try append(pending, to: &index)
        guard let known = documents.removeValue(forKey: document) else { throw row.damage(1) }
        pending = known
      }
      let vector = try row.vector(at: 2, dimension: index.dimension)
      pending?.chunks.append(IndexChange.Chunk(id: try row.int64(at: 0), vector: vector))
      try take(try row.text(at: 3))
    }
    try append(pending, to: &index)
    // Documents without text have no chunks.
    for (_, empty) in documents.sorted(by: { $0.key < $1.key }) { try append(empty, to: &index) }
    return index
  }

  /// All documents by their id, without chunks.
  private func documents(_ database: Database) throws -> [Int64: IndexChange.Addition] {
    var documents: [Int64: IndexChange.Addition] = [:]
    let rows = try Row.fetchCursor(
      database, sql: "SELECT id, name, metadata FROM documents WHERE collection = ? ORDER BY id",
      arguments: [record.id])
    while let row = try rows.next() {
      let id = try row.int64(at: 0)
      documents[id] = IndexChange.Addition(
        rowID: id, name: try row.string(at: 1), metadata: try row.metadata(at: 2), chunks: [])
    }
    return documents
  }

  private func append(_ addition: IndexChange.Addition?, to index: inout CollectionIndex) throws {
    guard let addition else { return }
    try index.reserve(addition.chunks.count)
    index.append(addition)
  }
}
