// Rows of `documents` and `chunks`: reading them, and writing a document with its chunks.
// Writing functions run inside the one transaction of a batch and report what the index must learn.

import FoundationEssentials
import GRDB
import JSON

struct DocumentRecord: Sendable {
  var id: Int64
  var name: String
  var textHash: Data
  var contentHash: Data
  var source: String?

  static func find(_ name: String, in collection: Int64, _ database: Database) throws
    -> DocumentRecord?
  {
    let statement = try database.cachedStatement(
      sql: """
        SELECT id, name, text_hash, content_hash, source FROM documents
        WHERE collection = ? AND name = ?
        """)
    return try Row.fetchOne(statement, arguments: [collection, name]).map { row in
      DocumentRecord(
        id: try row.int64(at: 0), name: try row.string(at: 1), textHash: try row.bytes(at: 2),
        contentHash: try row.bytes(at: 3), source: try row.optionalString(at: 4))
    }
  }

  static func count(in collection: Int64, _ database: Database) throws -> Int {
    let sql = "SELECT count(*) FROM documents WHERE collection = ?"
    return try Row.fetchOne(database, sql: sql, arguments: [collection])?.int(at: 0) ?? 0
  }

  static func storedDocument(_ name: String, in collection: Int64, _ database: Database) throws
    -> StoredDocument?
  {
    let statement = try database.cachedStatement(
      sql: """
        SELECT name, text, metadata, created_at, updated_at,
          (SELECT count(*) FROM chunks WHERE document = documents.id), source
        FROM documents WHERE collection = ? AND name = ?
        """)
    return try Row.fetchOne(statement, arguments: [collection, name]).map { row in
      StoredDocument(
        id: try row.string(at: 0), text: try row.text(at: 1), metadata: try row.metadata(at: 2),
        source: try row.optionalString(at: 6), chunkCount: try row.int(at: 5),
        createdAt: try row.int(at: 3),
        updatedAt: try row.int(at: 4))
    }
  }

  static func text(_ id: Int64, _ database: Database) throws -> String? {
    let statement = try database.cachedStatement(sql: "SELECT text FROM documents WHERE id = ?")
    return try Row.fetchOne(statement, arguments: [id]).map { try $0.text(at: 0) }
  }

  /// - Parameter source: only its documents
  static func summaries(
    in collection: Int64, of source: String? = nil, after: Int64, limit: Int, _ database: Database
  ) throws -> [DocumentSummary] {
    let statement = try database.cachedStatement(
      sql: """
        SELECT name, metadata, scalar_count, updated_at,
          (SELECT count(*) FROM chunks WHERE document = documents.id), source
        FROM documents WHERE collection = ? AND id > ? \(source == nil ? "" : "AND source = ?")
        ORDER BY id LIMIT ?
        """)
    var arguments: StatementArguments = [collection, after]
    if let source { arguments += [source] }
    var summaries: [DocumentSummary] = []
    let rows = try Row.fetchCursor(statement, arguments: arguments + [limit])
    while let row = try rows.next() {
      summaries.append(
        DocumentSummary(
          id: try row.string(at: 0), metadata: try row.metadata(at: 1),
          source: try row.optionalString(at: 5), chunkCount: try row.int(at: 4),
          characterCount: try row.int(at: 2),
          updatedAt: try row.int(at: 3)))
    }
    return summaries
  }

  /// Rows of the source's documents whose names are not among those.
  static func ids(
    of source: String, except names: Set<String>, in collection: Int64, _ database: Database
  ) throws -> [Int64] {
    let statement = try database.cachedStatement(
      sql: "SELECT id, name FROM documents WHERE collection = ? AND source = ?")
    var ids: [Int64] = []
    let rows = try Row.fetchCursor(statement, arguments: [collection, source])
    while let row = try rows.next() {
      if !names.contains(try row.string(at: 1)) { ids.append(try row.int64(at: 0)) }
    }
    return ids
  }

  // MARK: Writing

  static func insert(
    _ document: PreparedDocument, in collection: Int64, now: Int, _ database: Database
  ) throws -> Int64 {
    let statement = try database.cachedStatement(
      sql: """
        INSERT INTO documents (collection, name, text, scalar_count, metadata, text_hash,
          content_hash, source, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """)
    try statement.execute(arguments: [
      collection, document.name, Data(document.text.utf8), document.scalarCount,
      document.metadataText, document.hash.text, document.hash.content, document.source,
      now, now,
    ])
    return database.lastInsertedRowID
  }

  /// Replaces text and metadata; the chunks are the caller's business.
  static func update(
    _ id: Int64, with document: PreparedDocument, now: Int, _ database: Database
  ) throws {
    let statement = try database.cachedStatement(
      sql: """
        UPDATE documents SET text = ?, scalar_count = ?, metadata = ?, text_hash = ?,
          content_hash = ?, source = ?, updated_at = ? WHERE id = ?
        """)
    try statement.execute(arguments: [
      Data(document.text.utf8), document.scalarCount, document.metadataText, document.hash.text,
      document.hash.content, document.source, now, id,
    ])
  }

  static func update(
    _ id: Int64, metadata: JSONObject, contentHash: Data, source: String?, now: Int,
    _ database: Database
  ) throws {
    let statement = try database.cachedStatement(
      sql: """
        UPDATE documents SET metadata = ?, content_hash = ?, source = ?, updated_at = ? WHERE id = ?
        """)
    try statement.execute(arguments: [
      JSONValue.object(metadata).description, contentHash, source, now, id,
    ])
  }

  static func deleteChunks(of id: Int64, _ database: Database) throws {
    try database.cachedStatement(sql: "DELETE FROM chunks WHERE document = ?")
      .execute(arguments: [id])
  }

  static func delete(_ id: Int64, _ database: Database) throws {
    try deleteChunks(of: id, database)
    try database.cachedStatement(sql: "DELETE FROM documents WHERE id = ?")
      .execute(arguments: [id])
  }

  /// Writes the document's chunks; their ids, in order.
  static func insertChunks(
    _ chunks: [PreparedChunk], of id: Int64, _ database: Database
  ) throws -> [Int64] {
    let statement = try database.cachedStatement(
      sql: """
        INSERT INTO chunks (document, ordinal, start, "end", text, vector, truncated, page, heading)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """)
    var ids: [Int64] = []
    for (ordinal, chunk) in chunks.enumerated() {
      try statement.execute(arguments: [
        id, ordinal, chunk.range.lowerBound, chunk.range.upperBound, Data(chunk.text.utf8),
        chunk.vector.blob, chunk.truncated ? 1 : 0, chunk.page, chunk.heading,
      ])
      ids.append(database.lastInsertedRowID)
    }
    return ids
  }
}

extension DocumentRecord {
  /// Vectors of the document's chunks by their text, and whether the model saw all of it.
  static func vectors(of id: Int64, dimension: Int, _ database: Database) throws -> KnownVectors {
    let statement = try database.cachedStatement(
      sql: "SELECT text, vector, truncated FROM chunks WHERE document = ?")
    var vectors: KnownVectors = [:]
    let rows = try Row.fetchCursor(statement, arguments: [id])
    while let row = try rows.next() {
      vectors[try row.text(at: 0)] = KnownVector(
        values: try row.vector(at: 1, dimension: dimension), truncated: try row.int(at: 2) != 0)
    }
    return vectors
  }
}

/// A chunk as a search answers it.
struct ChunkRecord: Sendable {
  var ordinal: Int
  var start: Int
  var end: Int
  var text: String
  var page: Int?
  var heading: String?

  static func find(_ id: Int64, _ database: Database) throws -> ChunkRecord? {
    let statement = try database.cachedStatement(
      sql: "SELECT ordinal, start, \"end\", text, page, heading FROM chunks WHERE id = ?")
    return try Row.fetchOne(statement, arguments: [id]).map { row in
      ChunkRecord(
        ordinal: try row.int(at: 0), start: try row.int(at: 1), end: try row.int(at: 2),
        text: try row.text(at: 3), page: row.hasNull(atIndex: 4) ? nil : try row.int(at: 4),
        heading: try row.optionalString(at: 5))
    }
  }

  /// From where the first of a document's chunks with such ordinals begins to where the last ends.
  static func extent(of document: Int64, ordinals: ClosedRange<Int>, _ database: Database) throws
    -> Range<Int>?
  {
    let statement = try database.cachedStatement(
      sql: """
        SELECT min(start), max("end") FROM chunks WHERE document = ? AND ordinal BETWEEN ? AND ?
        HAVING count(*) > 0
        """)
    let row = try Row.fetchOne(
      statement, arguments: [document, ordinals.lowerBound, ordinals.upperBound])
    guard let row else { return nil }
    let (start, end) = (try row.int(at: 0), try row.int(at: 1))
    guard start <= end else { throw row.damage(1) }
    return start..<end
  }
}
