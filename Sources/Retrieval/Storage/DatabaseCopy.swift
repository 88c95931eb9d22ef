// Backup and restore: the database as one file, copied by SQLite's online backup from one snapshot,
// so that a server may go on writing to the source meanwhile. A copy is made aside, checked, synced
// and renamed: a crash leaves what was there before, or the whole new file.
// Refuses to overwrite anything unless told to, and files that are damaged, newer or not ours.

import FoundationEssentials
import GRDB
import Glibc

/// What was copied.
package struct DatabaseCopy: Sendable, Hashable {
  package var path: String
  package var byteCount: Int
  package var collections: Int
  package var documents: Int
  package var chunks: Int
}

extension DatabaseCopy {
  private static let busySeconds = 30.0

  /// Copies the database of a data directory, which a server may be using, to `file`.
  /// - Parameter replacing: overwrite a file that is there
  package static func backUp(dataDirectory: String, to file: String, replacing: Bool)
    throws(RetrievalError) -> DatabaseCopy
  {
    let source = dataDirectory + "/" + DataDirectory.databaseName
    guard try StoreDatabase.version(ofFile: source) != nil else {
      throw .copyRefused(path: source, message: "there is no database in it to back up")
    }
    guard replacing || !FileManager.default.fileExists(atPath: file) else {
      throw .copyRefused(path: file, message: "it exists; name another file, or use --force")
    }
    let aside = file + ".new"
    let copy = try make(source, aside, finalPath: file)
    try DurableFile.move(aside, to: file)
    return copy
  }

  /// Puts the database in `file` into a data directory that no process is using.
  /// - Parameter replacing: give up what the directory holds; until the copy is checked and whole,
  ///   nothing of it is touched
  package static func restore(_ file: String, dataDirectory: String, replacing: Bool)
    throws(RetrievalError) -> DatabaseCopy
  {
    guard FileManager.default.fileExists(atPath: file) else {
      throw .copyRefused(path: file, message: "there is no such file")
    }
    guard try StoreDatabase.version(ofFile: file) != nil else {
      throw .copyRefused(path: file, message: "there is no martlet database in it")
    }
    let directory = try DataDirectory(claiming: dataDirectory, holder: "martlet restore")
    guard replacing || directory.isEmpty else {
      throw .copyRefused(
        path: dataDirectory,
        message: "the folder is not empty; choose another with --data, or use --force")
    }
    let path = directory.databasePath
    let aside = path + ".restoring"
    let copy = try make(file, aside, finalPath: path)
    do throws(RetrievalError) {
      try settle(path)
    } catch {
      unlink(aside)
      throw error
    }
    try DurableFile.move(aside, to: path)
    return copy
  }

  /// Copies to `aside` and checks the copy. Where anything is wrong, nothing stays there.
  private static func make(_ source: String, _ aside: String, finalPath: String)
    throws(RetrievalError) -> DatabaseCopy
  {
    unlink(aside)
    let original: DatabaseQueue
    do {
      var reading = Configuration()
      reading.readonly = true
      reading.busyMode = .timeout(busySeconds)
      original = try DatabaseQueue(path: source, configuration: reading)
    } catch {
      throw RetrievalError(storage: error, path: source)
    }
    defer { try? original.close() }
    do {
      let target = try DatabaseQueue(path: aside)
      defer { try? target.close() }
      // Synced once, when it is whole.
      try target.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = OFF") }
      try original.backup(to: target)
      let copy = try target.writeWithoutTransaction { database in
        // One file, without a log beside it.
        try database.execute(sql: "PRAGMA journal_mode = DELETE")
        if let problem = try database.integrityProblems().first {
          throw RetrievalError.databaseCorrupt(path: source, message: problem)
        }
        return try summary(database, finalPath)
      }
      try target.close()
      try DurableFile.sync(aside)
      return copy
    } catch {
      unlink(aside)
      unlink(aside + "-journal")
      let failure = RetrievalError(storage: error, path: finalPath)
      guard case .databaseCorrupt(_, let message) = failure else { throw failure }
      // What is damaged is never the copy.
      throw .databaseCorrupt(path: source, message: message)
    }
  }

  private static func summary(_ database: Database, _ path: String) throws -> DatabaseCopy {
    func count(_ table: String) throws -> Int {
      try Int.fetchOne(database, sql: "SELECT count(*) FROM \(table)") ?? 0
    }
    let pages = try Int.fetchOne(database, sql: "PRAGMA page_count") ?? 0
    let pageSize = try Int.fetchOne(database, sql: "PRAGMA page_size") ?? 0
    return DatabaseCopy(
      path: path, byteCount: pages * pageSize, collections: try count("collections"),
      documents: try count("documents"), chunks: try count("chunks"))
  }

  /// Writes the log of the database that is to be replaced back into it and removes it: SQLite would
  /// take it for the new one's. A database too damaged for that is lost with its log.
  private static func settle(_ path: String) throws(RetrievalError) {
    if FileSize.bytes(path) > 0 {
      do {
        _ = try StoreDatabase.version(ofFile: path)
        var configuration = Configuration()
        configuration.busyMode = .timeout(busySeconds)
        let database = try DatabaseQueue(path: path, configuration: configuration)
        try database.writeWithoutTransaction {
          try $0.execute(sql: "PRAGMA journal_mode = DELETE")
        }
        try database.close()
      } catch {
        let error = RetrievalError(storage: error, path: path)
        guard case .databaseCorrupt = error else { throw error }
      }
    }
    unlink(path + "-wal")
    unlink(path + "-shm")
  }
}

extension Database {
  /// What SQLite finds wrong with the file and with references between its rows; empty where nothing
  /// is.
  func integrityProblems() throws -> [String] {
    let found = try String.fetchAll(self, sql: "PRAGMA integrity_check")
    guard found == ["ok"] else { return found }
    return try Row.fetchAll(self, sql: "PRAGMA foreign_key_check").map { row in
      "a row of \(try row.string(at: 0)) refers to one of \(try row.string(at: 2)) that is missing"
    }
  }
}
