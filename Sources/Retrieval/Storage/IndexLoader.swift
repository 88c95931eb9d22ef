// Builds the index of a collection at start: from a snapshot where there is one, with the rows that
// have come and gone since; otherwise from the database, cutting texts into words on all threads.
// Refuses rows that can't be right as damage: vectors of another length, values that aren't finite.

import Compute
import GRDB
import JSON
import SearchIndex

struct IndexLoader {
  let record: CollectionRecord
  let snapshots: IndexSnapshots
  let pool: ThreadPool

  /// Texts that are cut at a time.
  private static let batchSize = 8192

  /// The index, and the generation of the snapshot that it was made from.
  func load(_ database: Database) throws -> (index: CollectionIndex, saved: Int64?) {
    let documents = try documents(database)
    if let saved = try snapshots.load(record, database),
      let index = try caughtUp(saved, documents, database)
    {
      return (index, saved.generation)
    }
    return (try build(documents, database), nil)
  }

  /// The index of what the database holds, without a look at snapshots.
  func build(_ database: Database) throws -> CollectionIndex {
    try build(try documents(database), database)
  }

  private func build(_ documents: [Int64: IndexChange.Addition], _ database: Database) throws
    -> CollectionIndex
  {
    var index = CollectionIndex(record)
    var documents = documents
    try addRows(after: 0, to: &index, &documents, database)
    return index
  }

  /// A snapshot's index as the database is now: chunks never change and their ids ascend, so rows are
  /// gone where the id is, and new where it is higher than the last. nil where that doesn't fit.
  private func caughtUp(
    _ saved: SavedIndex, _ documents: [Int64: IndexChange.Addition], _ database: Database
  ) throws -> CollectionIndex? {
    var (saved, documents) = (saved, documents)
    if saved.generation != record.generation {
      guard let living = try livingRows(of: saved, documents, database) else { return nil }
      saved.liveRows = living
    }
    guard var index = CollectionIndex(record, saved, &documents) else { return nil }
    let last = saved.generation == record.generation ? .max : saved.chunkIDs.last ?? 0
    try addRows(after: last, to: &index, &documents, database)
    return index
  }

  /// Which rows of a snapshot still have their chunk; nil where the database has one among them that
  /// the snapshot hasn't.
  private func livingRows(
    of saved: SavedIndex, _ documents: [Int64: IndexChange.Addition], _ database: Database
  ) throws -> RowBitmap? {
    var living = RowBitmap(rowCount: saved.chunkIDs.count)
    guard let last = saved.chunkIDs.last else { return living }
    // Served by the index of the constraint, which holds both columns: no row is read.
    let chunks = try Row.fetchCursor(
      database, sql: "SELECT document, id FROM chunks ORDER BY document, ordinal")
    while let row = try chunks.next() {
      let (document, id) = (try row.int64(at: 0), try row.int64(at: 1))
      guard id <= last, documents[document] != nil else { continue }
      guard let place = saved.chunkIDs.sortedIndex(of: id), saved.documentIDs[place] == document
      else { return nil }
      living[place] = true
    }
    return living
  }

  /// Appends the chunks whose ids are higher than `last`, then the documents that have none.
  private func addRows(
    after last: Int64, to index: inout CollectionIndex,
    _ documents: inout [Int64: IndexChange.Addition], _ database: Database
  ) throws {
    // Ordered by chunk: a document that was replaced has newer chunks than its own id says.
    let chunks = try Row.fetchCursor(
      database,
      sql: """
        SELECT chunks.id, chunks.document, chunks.vector, chunks.text
        FROM chunks JOIN documents ON documents.id = chunks.document
        WHERE chunks.id > ? AND documents.collection = ? ORDER BY chunks.id
        """, arguments: [last, record.id])
    var words = index.words
    var texts: [String] = []
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
      texts.append(try row.text(at: 3))
      if texts.count == Self.batchSize {
        words = try words.appending(texts, language: record.settings.language, pool)
        texts.removeAll(keepingCapacity: true)
      }
    }
    try append(pending, to: &index)
    for (_, empty) in documents.sorted(by: { $0.key < $1.key }) { try append(empty, to: &index) }
    index.setWords(try words.appending(texts, language: record.settings.language, pool))
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

extension [Int64] {
  /// Where the value is in an ascending list.
  fileprivate func sortedIndex(of value: Int64) -> Int? {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if self[middle] < value { low = middle + 1 } else { high = middle }
    }
    return low < count && self[low] == value ? low : nil
  }
}
