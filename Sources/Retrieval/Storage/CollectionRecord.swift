// One row of `collections`. Relies on the schema; refuses words that this version doesn't know as
// damage, because newer files are refused before.

import Documents
import GRDB
import SearchIndex

struct CollectionRecord: Sendable, Hashable {
  var id: Int64
  var name: String
  var settings: CollectionSettings
  var embedding: EmbedderIdentity?
  var generation: Int64
  var createdAt: Int

  /// What is put in front of texts: the collection's own, or what the loaded model says.
  func prompts(_ embedder: (any Embedder)?) -> EmbeddingPrompts {
    let standard = embedder?.prompts ?? EmbeddingPrompts()
    return EmbeddingPrompts(
      query: settings.queryPrompt ?? standard.query,
      passage: settings.passagePrompt ?? standard.passage)
  }

  /// Not for clients: what grows while a collection is reindexed. Their names can't begin so.
  var isHidden: Bool { name.hasPrefix(".") }

  /// Numbers per vector.
  var dimension: Int { embedding?.dimension ?? 1 }

  private static let columns = """
    id, name, strategy, size, overlap, separator, metric, language, embedding_name, \
    embedding_dimension, embedding_maximum_tokens, embedding_hash, generation, created_at, \
    query_prompt, passage_prompt, threshold
    """

  private init(_ row: Row) throws {
    id = try row.int64(at: 0)
    name = try row.string(at: 1)
    settings = CollectionSettings()
    guard let strategy = ChunkingStrategy(rawValue: try row.string(at: 2)) else {
      throw row.damage(2)
    }
    settings.chunking.strategy = strategy
    settings.chunking.size = max(1, try row.int(at: 3))
    settings.chunking.overlap = max(0, min(try row.int(at: 4), settings.chunking.size - 1))
    settings.chunking.separator = try row.string(at: 5)
    guard let metric = Metric(rawValue: try row.string(at: 6)) else { throw row.damage(6) }
    settings.metric = metric
    settings.language = try row.string(at: 7)
    if let model = try row.optionalString(at: 8) {
      let dimension = try row.int(at: 9)
      guard (1...65_536).contains(dimension) else { throw row.damage(9) }
      embedding = EmbedderIdentity(
        name: model, dimension: dimension, maximumTokens: try row.int(at: 10),
        weightHash: try row.string(at: 11))
    }
    generation = try row.int64(at: 12)
    createdAt = try row.int(at: 13)
    settings.queryPrompt = try row.optionalString(at: 14)
    settings.passagePrompt = try row.optionalString(at: 15)
    settings.chunking.threshold = max(1, min(try row.int(at: 16), 99))
  }

  static func all(_ database: Database) throws -> [CollectionRecord] {
    let sql = "SELECT \(columns) FROM collections ORDER BY name"
    var records: [CollectionRecord] = []
    let rows = try Row.fetchCursor(database, sql: sql)
    while let row = try rows.next() { records.append(try CollectionRecord(row)) }
    return records
  }

  static func find(_ name: String, _ database: Database) throws -> CollectionRecord? {
    let statement = try database.cachedStatement(
      sql: "SELECT \(columns) FROM collections WHERE name = ?")
    return try Row.fetchOne(statement, arguments: [name]).map { try CollectionRecord($0) }
  }

  static func require(_ name: String, _ database: Database) throws -> CollectionRecord {
    guard let record = try find(name, database) else {
      throw RetrievalError.collectionNotFound(name)
    }
    return record
  }

  /// Makes an empty collection.
  static func insert(
    name: String, settings: CollectionSettings, embedding: EmbedderIdentity?, now: Int,
    _ database: Database
  ) throws -> CollectionRecord {
    try database.execute(
      sql: """
        INSERT INTO collections (name, strategy, size, overlap, separator, metric, language,
          embedding_name, embedding_dimension, embedding_maximum_tokens, embedding_hash,
          created_at, query_prompt, passage_prompt, threshold)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
      arguments: [
        name, settings.chunking.strategy.rawValue, settings.chunking.size,
        settings.chunking.overlap, settings.chunking.separator, settings.metric.rawValue,
        settings.language, embedding?.name, embedding?.dimension, embedding?.maximumTokens,
        embedding?.weightHash, now, settings.queryPrompt, settings.passagePrompt,
        settings.chunking.threshold,
      ])
    return try require(name, database)
  }

  /// Writes new settings of an empty collection.
  func update(_ database: Database) throws {
    try database.execute(
      sql: """
        UPDATE collections SET strategy = ?, size = ?, overlap = ?, separator = ?, metric = ?,
          language = ?, embedding_name = ?, embedding_dimension = ?,
          embedding_maximum_tokens = ?, embedding_hash = ?, query_prompt = ?, passage_prompt = ?,
          threshold = ?
        WHERE id = ?
        """,
      arguments: [
        settings.chunking.strategy.rawValue, settings.chunking.size, settings.chunking.overlap,
        settings.chunking.separator, settings.metric.rawValue, settings.language,
        embedding?.name, embedding?.dimension, embedding?.maximumTokens, embedding?.weightHash,
        settings.queryPrompt, settings.passagePrompt, settings.chunking.threshold, id,
      ])
  }

  /// Marks a change of the collection's documents; the new generation. Steps are random, so that a
  /// database that was restored and changed never has the generation of a snapshot made before.
  func raiseGeneration(_ database: Database) throws -> Int64 {
    try database.execute(
      sql: """
        UPDATE collections SET generation = generation + 1 + abs(random() % 268435456) WHERE id = ?
        """, arguments: [id])
    return try Self.generation(of: id, database) ?? generation
  }

  static func generation(of id: Int64, _ database: Database) throws -> Int64? {
    let statement = try database.cachedStatement(
      sql: "SELECT generation FROM collections WHERE id = ?")
    return try Row.fetchOne(statement, arguments: [id]).map { try $0.int64(at: 0) }
  }

  /// Removes the collection with its documents and chunks.
  func delete(_ database: Database) throws {
    try database.execute(sql: "DELETE FROM collections WHERE id = ?", arguments: [id])
  }
}
