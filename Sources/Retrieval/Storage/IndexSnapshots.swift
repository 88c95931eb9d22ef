// Snapshots of collections' indexes in `<data>/indexes`, so that opening needn't read every chunk. A
// file says which generation of the collection it was made from; the database lists those, so that a
// file of another history (a restored backup's) is told from one that can be caught up.
// The files can be deleted at any time: what isn't there or isn't whole is made from the database.
// Sections: counts; chunk ids; which rows live; documents' ids, ends of rows, names and metadata; values
// and codes of the vectors; words.

import Compute
import GRDB
import Glibc
import SearchIndex

struct IndexSnapshots: Sendable {
  /// Of what a snapshot doesn't hold.
  let storage: VectorStorage
  private let folder: String
  private let pool: ThreadPool
  /// Bytes that there is room for in a folder.
  var room: @Sendable (String) -> Int = FileSize.available
  /// Generations of a collection that are remembered: a file is replaced after the newest was noted,
  /// so that one more than the newest is needed; others cost nothing.
  private static let notedCount = 4
  /// Raised whenever the sections change.
  private static let version = 3

  init(dataDirectory: String, storage: VectorStorage = .memory, pool: ThreadPool) {
    self.storage = storage
    folder = dataDirectory + "/indexes"
    self.pool = pool
  }

  /// The index of this generation, or of an earlier one that the database knows. A snapshot that is of no
  /// use any more is removed.
  func load(_ record: CollectionRecord, _ database: Database) throws -> CollectionIndex? {
    if let saved = read(record) {
      if saved.generation == record.generation { return saved }
      if try Self.isNoted(saved.generation, of: record.id, database) { return saved }
    }
    remove(record.id)
    return nil
  }

  /// Of whatever generation the snapshot is.
  func read(_ record: CollectionRecord) -> CollectionIndex? {
    guard
      let file = SnapshotFile(
        path: path(record.id), identity: Self.identity(of: record), pool: pool),
      let counts = file.values(Int.self, section: 0, count: Self.countCount),
      let chunkIDs = file.values(Int64.self, section: 1, count: counts[1]),
      let live = file.values(UInt64.self, section: 2, count: (chunkIDs.count + 63) / 64),
      let documents = Self.documents(file, slotCount: counts[2], counts[3], counts[4]),
      let matrix = VectorMatrix(
        file, firstSection: Self.firstVectors, count: chunkIDs.count, dimension: record.dimension,
        storage: storage, pool: pool),
      let words = LexicalIndex(file, firstSection: counts[5])
    else { return nil }
    return CollectionIndex(
      record, generation: Int64(counts[0]), matrix: matrix, words: words, chunkIDs: chunkIDs,
      liveRows: RowBitmap(rowCount: chunkIDs.count, words: live), documents: documents)
  }

  /// In the first section: the generation, rows, documents, bytes of names, bytes of metadata, and
  /// where the words begin.
  private static let countCount = 6
  private static let firstVectors = 9

  private static func documents(
    _ file: SnapshotFile, slotCount: Int, _ nameByteCount: Int, _ metadataByteCount: Int
  ) -> DocumentTable? {
    guard let rowIDs = file.values(Int64.self, section: 3, count: slotCount),
      let rowEnds = file.values(Int.self, section: 4, count: slotCount),
      let nameEnds = file.values(Int.self, section: 5, count: slotCount),
      let nameBytes = file.values(UInt8.self, section: 6, count: nameByteCount),
      let names = ByteStrings(bytes: nameBytes, ends: nameEnds),
      let metadataEnds = file.values(Int.self, section: 7, count: slotCount),
      let metadataBytes = file.values(UInt8.self, section: 8, count: metadataByteCount),
      let metadata = ByteStrings(bytes: metadataBytes, ends: metadataEnds)
    else { return nil }
    return DocumentTable(rowIDs: rowIDs, rowEnds: rowEnds, names: names, metadata: metadata)
  }

  /// Whether a snapshot was written. Where that can't be done, the next start takes longer and nothing
  /// is lost. The index may be changed meanwhile: what is written is this copy of it.
  func save(_ index: CollectionIndex, _ record: CollectionRecord) -> Bool {
    mkdir(folder, 0o755)
    guard let matrix = try? index.matrix.settled() else { return false }
    return matrix.withSections { vectors in
      index.words.withSections { words in
        Self.lists(of: index, firstWords: Self.firstVectors + vectors.count).withSections { lists in
          write(lists + vectors + words, record)
        }
      }
    }
  }

  private func write(_ sections: [UnsafeRawBufferPointer], _ record: CollectionRecord) -> Bool {
    // The last room on a disk is for documents.
    guard room(folder) / 2 > sections.reduce(0, { $0 + $1.count }) else { return false }
    return SnapshotFile.write(
      sections, identity: Self.identity(of: record), to: path(record.id), pool)
  }

  private static func lists(of index: CollectionIndex, firstWords: Int) -> SnapshotSections {
    let documents = index.documents.gathered()
    var lists = SnapshotSections()
    lists.append([
      Int(index.generation), index.rowCount, documents.slotCount, documents.names.bytes.count,
      documents.metadata.bytes.count, firstWords,
    ])
    lists.append(index.chunkIDs)
    lists.append(index.liveRows.words)
    lists.append(documents.rowIDs)
    lists.append(documents.rowEnds)
    lists.append(documents.names.ends)
    lists.append(documents.names.bytes)
    lists.append(documents.metadata.ends)
    lists.append(documents.metadata.bytes)
    return lists
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
