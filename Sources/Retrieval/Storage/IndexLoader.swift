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
    if let saved = try snapshots.load(record, database),
      let index = try caughtUp(saved, database)
    {
      return (index, saved.generation)
    }
    var index = CollectionIndex(record, snapshots.storage)
    var documents = try documents(database) { _ in false }
    try addRows(after: 0, to: &index, &documents, database)
    return (index, nil)
  }

  /// A snapshot's index as the database is now: chunks never change and their ids ascend, so rows are
  /// gone where the id is, and new where it is higher than the last. nil where that doesn't fit.
  private func caughtUp(_ saved: CollectionIndex, _ database: Database) throws -> CollectionIndex? {
    if saved.generation == record.generation { return saved }
    guard var difference = try difference(of: saved, database) else { return nil }
    var index = saved
    index.apply(difference.change)
    index.gatherMetadata()
    guard index.liveRows == difference.living else { return nil }
    try addRows(after: saved.chunkIDs.last ?? 0, to: &index, &difference.new, database)
    return index
  }

  /// Whether a snapshot of the database's own generation has the chunks, names and metadata that the
  /// database has.
  func agrees(_ saved: CollectionIndex, _ database: Database) throws -> Bool {
    guard let difference = try difference(of: saved, database) else { return false }
    return difference.living == saved.liveRows && difference.new.isEmpty
      && difference.change.removed.isEmpty && difference.change.metadata.isEmpty
  }

  private struct Difference {
    /// Documents that are gone or have changed, and metadata.
    var change: IndexChange
    /// The snapshot's rows that still have their chunk.
    var living: RowBitmap
    /// Documents that have come or have changed, without their chunks.
    var new: [Int64: IndexChange.Addition]
  }

  /// How the database differs from a snapshot but for new chunks; nil where that doesn't fit.
  private func difference(of saved: CollectionIndex, _ database: Database) throws -> Difference? {
    let table = saved.documents
    guard let found = try chunks(of: saved, database) else { return nil }
    var change = IndexChange(collection: record.id, generation: record.generation)
    var isKept = RowBitmap(rowCount: table.slotCount)
    let new = try documents(database) { row in
      let id = try row.int64(at: 0)
      guard let slot = table.slot(of: id), !found.renewed.contains(id),
        table.rows(ofSlot: slot).allSatisfy({ found.living[$0] }),
        table.names[slot].elementsEqual(try row.string(at: 1).utf8)
      else { return false }
      isKept[slot] = true
      if !table.metadata[slot].elementsEqual(try row.string(at: 2).utf8) {
        change.metadata.append((id, try row.metadata(at: 2)))
      }
      return true
    }
    for (slot, id) in table.rowIDs.enumerated() where id != 0 && !isKept[slot] {
      change.removed.append(id)
    }
    return Difference(change: change, living: found.living, new: new)
  }

  /// Which rows of a snapshot still have their chunk, and the documents that have chunks since; nil where
  /// the database has an earlier chunk that the snapshot hasn't.
  private func chunks(of saved: CollectionIndex, _ database: Database) throws
    -> (living: RowBitmap, renewed: Set<Int64>)?
  {
    var living = RowBitmap(rowCount: saved.rowCount)
    var renewed: Set<Int64> = []
    let last = saved.chunkIDs.last ?? 0
    let chunks = try Row.fetchCursor(
      database, sql: "SELECT chunks.document, chunks.id \(Self.chunksOfCollection)",
      arguments: [record.id])
    while let row = try chunks.next() {
      let (document, id) = (try row.int64(at: 0), try row.int64(at: 1))
      guard id <= last else {
        renewed.insert(document)
        continue
      }
      guard let place = saved.chunkIDs.sortedIndex(of: id),
        saved.documents.rowIDs[saved.documentSlots[place]] == document
      else { return nil }
      living[place] = true
    }
    return (living, renewed)
  }

  /// Served by indexes alone, which hold these columns: no row is read.
  private static let chunksOfCollection = """
    FROM documents CROSS JOIN chunks ON chunks.document = documents.id
    WHERE documents.collection = ?1
    """

  /// Appends the chunks whose ids are higher than `last`, with their documents, and the documents that
  /// have none.
  private func addRows(
    after last: Int64, to index: inout CollectionIndex,
    _ documents: inout [Int64: IndexChange.Addition], _ database: Database
  ) throws {
    // Ordered by chunk: a document that was replaced has newer chunks than its own id says.
    let chunks = try Row.fetchCursor(
      database,
      sql: """
        SELECT id, document, vector, text FROM chunks
        WHERE id IN (SELECT chunks.id \(Self.chunksOfCollection) AND chunks.id > ?2) ORDER BY id
        """, arguments: [record.id, last])
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
    index.setWords(try words.appending(texts, language: record.settings.language, pool))
    for (_, empty) in documents.sorted(by: { $0.key < $1.key }) { try append(empty, to: &index) }
  }

  /// The documents by their id, without chunks, except those that are known. A row has id, name, metadata.
  private func documents(_ database: Database, besides isKnown: (Row) throws -> Bool) throws
    -> [Int64: IndexChange.Addition]
  {
    var documents: [Int64: IndexChange.Addition] = [:]
    let rows = try Row.fetchCursor(
      database, sql: "SELECT id, name, metadata FROM documents WHERE collection = ? ORDER BY id",
      arguments: [record.id])
    while let row = try rows.next() {
      if try isKnown(row) { continue }
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
