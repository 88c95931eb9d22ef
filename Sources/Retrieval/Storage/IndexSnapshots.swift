// Snapshots of collections' indexes in `<data>/indexes`, so that opening needn't read every chunk. A
// file says which generation of the collection it was made from; the database lists those, so that a
// file of another history (a restored backup's) is told from one that can be caught up.
// The files can be deleted at any time: what isn't there or isn't whole is made from the database.
// Sections: counts; chunk ids; document ids; which rows live; values and codes of the vectors; words.

import Compute
import GRDB
import Glibc
import SearchIndex

/// A collection's index as a snapshot holds it: rows in the order of chunk ids.
struct SavedIndex {
  var generation: Int64
  var chunkIDs: [Int64]
  /// 0 for rows that no document has any more.
  var documentIDs: [Int64]
  var liveRows: RowBitmap
  var matrix: VectorMatrix
  var words: LexicalIndex
}

struct IndexSnapshots: Sendable {
  private let folder: String
  private let pool: ThreadPool
  /// Generations of a collection that are remembered: a file is replaced after the newest was noted,
  /// so that one more than the newest is needed; others cost nothing.
  private static let notedCount = 4
  /// Raised whenever the sections change.
  private static let version = 2

  init(dataDirectory: String, pool: ThreadPool) {
    folder = dataDirectory + "/indexes"
    self.pool = pool
  }

  /// The snapshot of this generation, or of an earlier one that the database knows. One that is of no
  /// use any more is removed.
  func load(_ record: CollectionRecord, _ database: Database) throws -> SavedIndex? {
    if let saved = read(record) {
      if saved.generation == record.generation { return saved }
      if try Self.isNoted(saved.generation, of: record.id, database) { return saved }
    }
    remove(record.id)
    return nil
  }

  /// Whatever generation it is of.
  func read(_ record: CollectionRecord) -> SavedIndex? {
    guard
      let file = SnapshotFile(
        path: path(record.id), identity: Self.identity(of: record), pool: pool),
      let counts = file.integers(section: 0, count: 3),
      let rows = Int(exactly: counts[0]), let firstWords = Int(exactly: counts[1]),
      let chunkIDs = file.integers(section: 1, count: rows),
      let documentIDs = file.integers(section: 2, count: rows),
      let live = file.integers(section: 3, count: (rows + 63) / 64),
      let matrix = VectorMatrix(
        file, firstSection: 4, count: rows, dimension: record.dimension, pool: pool),
      let words = LexicalIndex(file, firstSection: firstWords), words.rowCount == rows
    else { return nil }
    return SavedIndex(
      generation: counts[2], chunkIDs: chunkIDs, documentIDs: documentIDs,
      liveRows: RowBitmap(rowCount: rows, words: live.map(UInt64.init(bitPattern:))),
      matrix: matrix, words: words)
  }

  /// Whether a snapshot was written. Where that can't be done, the next start takes longer and nothing
  /// is lost. The index may be changed meanwhile: what is written is this copy of it.
  func save(_ index: CollectionIndex, _ record: CollectionRecord) -> Bool {
    guard let matrix = try? index.matrix.settled() else { return false }
    mkdir(folder, 0o755)
    let documentIDs = index.documentSlots.map { index.documents[$0]?.rowID ?? 0 }
    let live = index.liveRows.words.map(Int64.init(bitPattern:))
    return matrix.withSections { vectors in
      index.words.withSections { words in
        let counts = [Int64(index.rowCount), Int64(4 + vectors.count), index.generation]
        return SnapshotFile.withSections([counts, index.chunkIDs, documentIDs, live]) { integers in
          SnapshotFile.write(
            integers + vectors + words, identity: Self.identity(of: record),
            to: path(record.id), pool)
        }
      }
    }
  }

  func remove(_ collection: Int64) { unlink(path(collection)) }

  private func path(_ collection: Int64) -> String { "\(folder)/\(collection).index" }

  /// All that decides on a snapshot's contents but the generation.
  private static func identity(of record: CollectionRecord) -> String {
    let settings = record.settings
    return """
      index \(version) vectors \(VectorMatrix.version) \(record.dimension) \(settings.metric) \
      words \(LexicalIndex.version) \(settings.language) collection \(record.id)
      """
  }

  // MARK: Generations

  /// Notes, before its file is written, that there may be a snapshot of a generation.
  static func note(_ generation: Int64, of collection: Int64, _ database: Database) throws {
    try database.execute(
      sql: "INSERT OR IGNORE INTO snapshots (collection, generation) VALUES (?, ?)",
      arguments: [collection, generation])
    try database.execute(
      sql: """
        DELETE FROM snapshots WHERE collection = ?1 AND generation NOT IN
          (SELECT generation FROM snapshots WHERE collection = ?1 ORDER BY generation DESC LIMIT ?2)
        """, arguments: [collection, notedCount])
  }

  private static func isNoted(_ generation: Int64, of collection: Int64, _ database: Database)
    throws -> Bool
  {
    let sql = "SELECT 1 FROM snapshots WHERE collection = ? AND generation = ?"
    return try Row.fetchOne(database, sql: sql, arguments: [collection, generation]) != nil
  }
}
