// Builds the index of a collection from the database, at start and wherever it has to be made anew.
// Refuses rows that can't be right as damage: vectors of another length, values that aren't finite.

import Compute
import GRDB
import JSON

enum IndexLoader {
  static func load(_ record: CollectionRecord, _ database: Database) throws -> CollectionIndex {
    var index = CollectionIndex(record)
    let documents = try Row.fetchCursor(
      database, sql: "SELECT id, name, metadata FROM documents WHERE collection = ? ORDER BY id",
      arguments: [record.id])
    var byID: [Int64: (name: String, metadata: JSONObject)] = [:]
    while let row = try documents.next() {
      byID[try row.int64(at: 0)] = (try row.string(at: 1), try row.metadata(at: 2))
    }
    // Ordered by chunk: a document that was replaced has newer chunks than its own id says.
    let chunks = try Row.fetchCursor(
      database,
      sql: """
        SELECT chunks.id, chunks.document, chunks.vector
        FROM chunks JOIN documents ON documents.id = chunks.document
        WHERE documents.collection = ? ORDER BY chunks.id
        """, arguments: [record.id])
    var pending: IndexChange.Addition?
    while let row = try chunks.next() {
      let document = try row.int64(at: 1)
      if pending?.rowID != document {
        try append(pending, to: &index)
        guard let known = byID.removeValue(forKey: document) else { throw row.damage(1) }
        pending = IndexChange.Addition(
          rowID: document, name: known.name, metadata: known.metadata, chunks: [])
      }
      let vector = try row.vector(at: 2, dimension: index.dimension)
      pending?.chunks.append((id: try row.int64(at: 0), vector: vector))
    }
    try append(pending, to: &index)
    // Documents without text have no chunks.
    for (id, known) in byID.sorted(by: { $0.key < $1.key }) {
      let empty = IndexChange.Addition(
        rowID: id, name: known.name, metadata: known.metadata, chunks: [])
      try append(empty, to: &index)
    }
    return index
  }

  private static func append(_ addition: IndexChange.Addition?, to index: inout CollectionIndex)
    throws
  {
    guard let addition else { return }
    try index.reserve(addition.chunks.count)
    index.append(addition)
  }
}
