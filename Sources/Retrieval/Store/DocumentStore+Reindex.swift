// Cutting and embedding a collection's documents anew, with the loaded model and with settings that
// can't be changed otherwise. The new chunks grow in a collection beside it, which no listing shows,
// while the old ones serve, which give their vectors where model, prompt and text are the same; once
// nothing is missing, one transaction puts it in the old one's place.
// What is done stays when the work is cut short: the same request goes on from there.

import Compute
import Documents
import GRDB

extension DocumentStore {
  /// Tells how many documents of how many are done.
  package typealias ReindexProgress = @Sendable (_ done: Int) -> Void

  /// Documents cut and embedded in one transaction: at most so many, or of so many bytes.
  private static let partDocumentCount = 32
  private static let partByteCount = 64 << 10

  /// Refuses what `reindex` would refuse before it does anything.
  package func checkReindex(_ name: String, _ update: CollectionSettingsUpdate) async throws {
    _ = try await reindexTarget(name, update)
    if reindexing.withLock({ $0.contains(name) }) { throw Self.alreadyReindexing(name) }
  }

  private static func alreadyReindexing(_ name: String) -> RetrievalError {
    .conflict(message: "collection \"\(name)\" is being reindexed already")
  }

  /// - Parameters:
  ///   - update: settings to change; the others stay. The model is the loaded one.
  ///   - progress: told how many documents of the collection are done
  package func reindex(
    _ name: String, _ update: CollectionSettingsUpdate, progress: @escaping ReindexProgress
  ) async throws -> CollectionInfo {
    guard reindexing.withLock({ $0.insert(name).inserted }) else {
      throw Self.alreadyReindexing(name)
    }
    defer { reindexing.withLock { _ = $0.remove(name) } }
    let (settings, identity) = try await reindexTarget(name, update)
    let staged = try await stagedCollection(of: name, settings, identity)
    repeat {
      var done = try await catchUpDeletions(of: name, staged.name)
      var last: Int64 = 0
      while let part = try await missingPart(of: name, staged.name, after: last) {
        try Task.checkCancellation()
        progress(done)
        _ = try await putDocuments(part.documents, in: staged.name, besides: part.old)
        done += part.documents.count
        last = part.last
      }
    } while try await !replace(name, by: staged)
    let info = try await collection(name)
    progress(info.documentCount)
    return info
  }

  static func stagedName(of name: String) -> String { ".reindex.\(name)" }

  /// The settings and the model that the collection is to have.
  private func reindexTarget(_ name: String, _ update: CollectionSettingsUpdate) async throws
    -> (CollectionSettings, EmbedderIdentity)
  {
    guard let identity = embedder?.identity else { throw RetrievalError.embeddingModelMissing }
    try validate(embeddingModel: update.embeddingModel)
    let record = try await database.read { try CollectionRecord.require(name, $0) }
    return (try record.settings.applying(update), identity)
  }

  /// The collection that grows: one that was left with the same target, or a new one.
  private func stagedCollection(
    of name: String, _ settings: CollectionSettings, _ identity: EmbedderIdentity
  ) async throws -> CollectionRecord {
    try await database.commit { database -> (gone: Int64?, record: CollectionRecord) in
      let stagedName = Self.stagedName(of: name)
      let left = try CollectionRecord.find(stagedName, database)
      if let left, left.settings == settings, left.embedding == identity { return (nil, left) }
      try left?.delete(database)
      let record = try CollectionRecord.insert(
        name: stagedName, settings: settings, embedding: identity, now: Self.now(), database)
      return (left?.id, record)
    } publish: { [indexes, snapshots] gone, record in
      if let gone {
        indexes.remove(gone)
        snapshots.remove(gone)
      }
      if indexes.current(record.id) == nil { indexes.setEmpty(record) }
    }.record
  }

  /// Deletes from the growing collection what was deleted from the other one; how many documents of
  /// that one need nothing more.
  private func catchUpDeletions(of name: String, _ stagedName: String) async throws -> Int {
    let (surplus, done) = try await database.read { database in
      let (old, staged) = try Self.pair(name, stagedName, database)
      let missing = try Self.missingCount(old, staged, database)
      return (
        try Self.surplus(old, staged, database),
        try DocumentRecord.count(in: old.id, database) - missing
      )
    }
    for id in surplus { try await deleteDocument(id, in: stagedName) }
    return done
  }

  private struct Part: Sendable {
    let old: CollectionRecord
    var documents: [DocumentInput] = []
    /// The row of the last one.
    var last: Int64 = 0
  }

  /// The first documents behind the row `after` that the growing collection lacks or has in another
  /// state; nil where there are none.
  private func missingPart(of name: String, _ stagedName: String, after last: Int64) async throws
    -> Part?
  {
    try await database.read { database in
      let (old, staged) = try Self.pair(name, stagedName, database)
      let rows = try Row.fetchCursor(
        database,
        sql: """
          SELECT documents.id, documents.name, documents.text, documents.metadata,
            documents.source
          \(Self.fromMissing) AND documents.id > ?3 ORDER BY documents.id LIMIT ?4
          """, arguments: [staged.id, old.id, last, Self.partDocumentCount])
      var part = Part(old: old)
      var byteCount = 0
      while byteCount < Self.partByteCount, let row = try rows.next() {
        let text = try row.text(at: 2)
        part.documents.append(
          DocumentInput(
            id: try row.string(at: 1), text: text, metadata: try row.metadata(at: 3),
            source: try row.optionalString(at: 4)))
        part.last = try row.int64(at: 0)
        byteCount += text.utf8.count
      }
      return part.documents.isEmpty ? nil : part
    }
  }

  private static func pair(_ name: String, _ stagedName: String, _ database: Database) throws
    -> (CollectionRecord, CollectionRecord)
  {
    guard let staged = try CollectionRecord.find(stagedName, database) else {
      throw RetrievalError.conflict(
        message: "what was reindexed of collection \"\(name)\" was deleted meanwhile; start again")
    }
    return (try CollectionRecord.require(name, database), staged)
  }

  private static let fromMissing = """
    FROM documents LEFT JOIN documents AS staged
      ON staged.collection = ?1 AND staged.name = documents.name
    WHERE documents.collection = ?2 AND (staged.content_hash IS NOT documents.content_hash
      OR staged.source IS NOT documents.source)
    """

  private static func surplus(
    _ old: CollectionRecord, _ staged: CollectionRecord, _ database: Database
  ) throws -> [String] {
    try String.fetchAll(
      database,
      sql: """
        SELECT staged.name FROM documents AS staged WHERE staged.collection = ?1 AND NOT EXISTS
          (SELECT 1 FROM documents WHERE collection = ?2 AND name = staged.name)
        """, arguments: [staged.id, old.id])
  }

  private static func missingCount(
    _ old: CollectionRecord, _ staged: CollectionRecord, _ database: Database
  ) throws -> Int {
    let sql = "SELECT count(*) \(fromMissing)"
    return try Int.fetchOne(database, sql: sql, arguments: [staged.id, old.id]) ?? 0
  }

  /// Puts the grown collection in the place of the old one; false where that has changed meanwhile.
  private func replace(_ name: String, by staged: CollectionRecord) async throws -> Bool {
    let gone = try await database.commit { database -> Int64? in
      let (old, new) = try Self.pair(name, staged.name, database)
      guard try Self.missingCount(old, new, database) == 0,
        try Self.surplus(old, new, database).isEmpty
      else { return nil }
      try database.execute(
        sql: """
          UPDATE documents SET (created_at, updated_at) = (
            SELECT created_at, updated_at FROM documents AS old
            WHERE old.collection = ?2 AND old.name = documents.name)
          WHERE collection = ?1
          """, arguments: [new.id, old.id])
      try old.delete(database)
      try database.execute(
        sql: "UPDATE collections SET name = ?, created_at = ? WHERE id = ?",
        arguments: [name, old.createdAt, new.id])
      return old.id
    } publish: { [indexes, snapshots] gone in
      guard let gone else { return }
      indexes.remove(gone)
      snapshots.remove(gone)
    }
    return gone != nil
  }
}
