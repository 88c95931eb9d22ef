// The FTS5 table of one collection: an inverted index without a copy of the text, whose rows are the
// ids of chunks. Each collection has its own, so that BM25 counts its documents only and its
// language decides on stemming. Relies on LexicalAnalyzer to cut text the same way every time: FTS5
// wants the words of a row again to delete it.

import GRDB

struct FullTextTable: Sendable {
  private let name: String
  private let tokenizer: String

  init(_ collection: CollectionRecord) {
    name = "fulltext_\(collection.id)"
    let stems = LexicalAnalyzer.isEnglish(collection.settings.language)
    tokenizer = (stems ? "porter " : "") + "unicode61 remove_diacritics 2"
  }

  func create(_ database: Database) throws {
    try database.execute(
      sql: """
        CREATE VIRTUAL TABLE \(name) USING fts5(words, content = '', tokenize = '\(tokenizer)')
        """)
  }

  func drop(_ database: Database) throws {
    try database.execute(sql: "DROP TABLE IF EXISTS \(name)")
  }

  func insert(chunk: Int64, text: String, _ database: Database) throws {
    let statement = try database.cachedStatement(
      sql: "INSERT INTO \(name) (rowid, words) VALUES (?, ?)")
    try statement.execute(arguments: [chunk, LexicalAnalyzer.indexedText(text)])
  }

  func delete(chunk: Int64, text: String, _ database: Database) throws {
    let statement = try database.cachedStatement(
      sql: "INSERT INTO \(name) (\(name), rowid, words) VALUES ('delete', ?, ?)")
    try statement.execute(arguments: [chunk, LexicalAnalyzer.indexedText(text)])
  }

  /// Indexes all chunks of the collection anew.
  func rebuild(_ collection: CollectionRecord, _ database: Database) throws {
    try drop(database)
    try create(database)
    let chunks = try Row.fetchCursor(
      database,
      sql: """
        SELECT chunks.id, chunks.text FROM chunks JOIN documents ON documents.id = document
        WHERE collection = ? ORDER BY chunks.id
        """, arguments: [collection.id])
    while let chunk = try chunks.next() {
      try insert(chunk: try chunk.int64(at: 0), text: try chunk.text(at: 1), database)
    }
  }

  /// Every chunk with one of the query's words, by ascending chunk id, with BM25 turned so that
  /// higher is better.
  func matches(_ query: LexicalQuery, _ database: Database) throws -> [LexicalMatch] {
    guard let expression = query.matchExpression else { return [] }
    let statement = try database.cachedStatement(
      sql: "SELECT rowid, bm25(\(name)) FROM \(name) WHERE \(name) MATCH ?")
    var matches: [LexicalMatch] = []
    let rows = try Row.fetchCursor(statement, arguments: [expression])
    while let row = try rows.next() {
      matches.append(LexicalMatch(chunk: try row.int64(at: 0), score: -(try row.double(at: 1))))
    }
    return matches
  }
}

struct LexicalMatch: Sendable, Hashable {
  var chunk: Int64
  var score: Double
}
