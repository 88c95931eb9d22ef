// The tables and their versions. A migration that was released is never edited; a new one is added
// and `version` raised. `application_id` and `user_version` in the file's header say whose it is.
// Texts are BLOBs: a TEXT value may be cut at U+0000 on its way through C strings.

import GRDB

enum Schema {
  /// "MRTL".
  static let applicationID = 0x4D52_544C
  static let version = 5

  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1 collections, documents, chunks") { database in
      try database.execute(sql: version1)
      try database.execute(sql: "PRAGMA application_id = \(applicationID)")
      try database.execute(sql: "PRAGMA user_version = 1")
    }
    migrator.registerMigration("2 words are indexed outside of SQLite") { database in
      let tables = try Row.fetchAll(
        database, sql: "SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE%'")
      for table in tables {
        try database.execute(sql: "DROP TABLE \(try table.string(at: 0).quotedDatabaseIdentifier)")
      }
      try database.execute(sql: "ALTER TABLE collections DROP COLUMN analyzer")
      try database.execute(sql: "PRAGMA user_version = 2")
    }
    migrator.registerMigration("3 jobs, generations of snapshots") { database in
      try database.execute(sql: version3)
      try database.execute(sql: "PRAGMA user_version = 3")
    }
    migrator.registerMigration("4 pages, headings, thresholds and prompts") { database in
      try database.execute(
        sql: """
          ALTER TABLE chunks ADD COLUMN page INTEGER;
          ALTER TABLE chunks ADD COLUMN heading TEXT;
          ALTER TABLE collections ADD COLUMN threshold INTEGER NOT NULL DEFAULT 95;
          ALTER TABLE collections ADD COLUMN query_prompt TEXT;
          ALTER TABLE collections ADD COLUMN passage_prompt TEXT;
          PRAGMA user_version = 4
          """)
    }
    migrator.registerMigration("5 sources of documents") { database in
      try database.execute(
        sql: """
          ALTER TABLE documents ADD COLUMN source TEXT;
          CREATE INDEX documents_of_sources ON documents (collection, source, id)
            WHERE source IS NOT NULL;
          PRAGMA user_version = 5
          """)
    }
    return migrator
  }

  private static let version1 = """
    CREATE TABLE collections (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      name TEXT NOT NULL UNIQUE,
      strategy TEXT NOT NULL,
      size INTEGER NOT NULL,
      overlap INTEGER NOT NULL,
      separator TEXT NOT NULL,
      metric TEXT NOT NULL,
      language TEXT NOT NULL,
      embedding_name TEXT,
      embedding_dimension INTEGER,
      embedding_maximum_tokens INTEGER,
      embedding_hash TEXT,
      -- How words were cut when they were indexed; another version's index is rebuilt.
      analyzer INTEGER NOT NULL,
      -- Raised by every change of the collection's documents, in the same transaction.
      generation INTEGER NOT NULL DEFAULT 0,
      created_at INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE documents (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      collection INTEGER NOT NULL REFERENCES collections(id) ON DELETE CASCADE,
      name TEXT NOT NULL,
      text BLOB NOT NULL,
      scalar_count INTEGER NOT NULL,
      metadata TEXT NOT NULL,
      -- SHA-256 of the text, and of text and metadata.
      text_hash BLOB NOT NULL,
      content_hash BLOB NOT NULL,
      created_at INTEGER NOT NULL,
      updated_at INTEGER NOT NULL,
      UNIQUE (collection, name)
    ) STRICT;

    CREATE INDEX documents_in_order ON documents (collection, id);

    -- Ids ascend and are never used again: the order of ids is the order of index rows.
    CREATE TABLE chunks (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      document INTEGER NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
      ordinal INTEGER NOT NULL,
      -- Unicode scalars of the document's text.
      start INTEGER NOT NULL,
      "end" INTEGER NOT NULL,
      text BLOB NOT NULL,
      -- Little-endian float32.
      vector BLOB NOT NULL,
      truncated INTEGER NOT NULL,
      UNIQUE (document, ordinal)
    ) STRICT;
    """
  private static let version3 = """
    -- Generations of which there may be a snapshot of the index.
    CREATE TABLE snapshots (
      collection INTEGER NOT NULL REFERENCES collections(id) ON DELETE CASCADE,
      generation INTEGER NOT NULL,
      PRIMARY KEY (collection, generation)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE jobs (
      id TEXT PRIMARY KEY,
      kind TEXT NOT NULL,
      collection TEXT NOT NULL,
      state TEXT NOT NULL,
      -- Documents, as known when the row was written.
      done INTEGER NOT NULL,
      total INTEGER NOT NULL,
      -- JSON.
      result TEXT,
      error TEXT,
      created_at INTEGER NOT NULL,
      updated_at INTEGER NOT NULL
    ) STRICT;
    """
}
