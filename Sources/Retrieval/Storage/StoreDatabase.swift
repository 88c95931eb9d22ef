// The one SQLite file, opened through GRDB: many readers on snapshots of their own, one writer whose
// commits are on disk when they return (WAL with synchronous = FULL).
// Refuses files of other programs and of newer versions before anything in them is touched.
// All errors of SQLite leave here as RetrievalError.

import GRDB
import Glibc

final class StoreDatabase: Sendable {
  let path: String
  private let pool: DatabasePool

  init(path: String, busyTimeoutSeconds: Double) throws(RetrievalError) {
    self.path = path
    do {
      _ = try Self.version(ofFile: path)
      var configuration = Configuration()
      configuration.label = "martlet"
      configuration.busyMode = .timeout(busyTimeoutSeconds)
      configuration.foreignKeysEnabled = true
      pool = try DatabasePool(path: path, configuration: configuration)
      // GRDB sets NORMAL itself when it turns WAL on, which loses commits on power failure.
      try pool.writeWithoutTransaction { database in
        try database.execute(sql: "PRAGMA synchronous = FULL")
      }
      try Schema.migrator.migrate(pool)
    } catch {
      throw RetrievalError(storage: error, path: path)
    }
  }

  /// Reads on one snapshot of the database, off Swift's cooperative pool.
  func read<T: Sendable>(_ body: @Sendable (Database) throws -> T) async throws -> T {
    do {
      return try await pool.read(body)
    } catch let error as DatabaseError {
      throw RetrievalError(storage: error, path: path)
    }
  }

  /// Commits what `body` wrote, or nothing. `publish` runs after the commit and before any later
  /// transaction begins, so that published states follow each other like committed ones.
  func commit<T: Sendable>(
    _ body: @Sendable (Database) throws -> T, publish: @Sendable (T) -> Void
  ) async throws -> T {
    do {
      return try await pool.writeWithoutTransaction { database in
        var result: T?
        try database.inTransaction(.immediate) {
          result = try body(database)
          return .commit
        }
        // inTransaction either ran its closure to the end or threw.
        guard let result else { throw DatabaseError(resultCode: .SQLITE_MISUSE) }
        publish(result)
        return result
      }
    } catch let error as DatabaseError {
      throw RetrievalError(storage: error, path: path)
    }
  }

  /// The same without an async context, for opening.
  func readNow<T>(_ body: (Database) throws -> T) throws(RetrievalError) -> T {
    do { return try pool.read(body) } catch { throw RetrievalError(storage: error, path: path) }
  }

  func writeNow<T>(_ body: (Database) throws -> T) throws(RetrievalError) -> T {
    do { return try pool.write(body) } catch { throw RetrievalError(storage: error, path: path) }
  }

  /// Runs on the writer outside of a transaction: pragmas.
  func onWriter<T: Sendable>(_ body: @Sendable (Database) throws -> T) async throws -> T {
    do {
      return try await pool.writeWithoutTransaction(body)
    } catch let error as DatabaseError {
      throw RetrievalError(storage: error, path: path)
    }
  }

  func close() throws(RetrievalError) {
    do {
      // SQLite does it by itself only when the connection that closes last can write. Where it can't
      // be done, the log stays and is read at the next start.
      _ = try? pool.writeWithoutTransaction { try $0.checkpoint(.truncate) }
      try pool.close()
    } catch {
      throw RetrievalError(storage: error, path: path)
    }
  }

  /// The schema version of an existing file, looked at without writing: turning on WAL would already
  /// change it. nil where there is no file, or one without a table, as a process leaves that was
  /// killed while it made it. Refuses files of other programs and of newer versions.
  static func version(ofFile path: String) throws(RetrievalError) -> Int? {
    guard FileSize.bytes(path) > 0 else { return nil }
    let application: Int
    let version: Int
    let tables: Int
    do {
      var configuration = Configuration()
      configuration.readonly = true
      let queue = try DatabaseQueue(path: path, configuration: configuration)
      defer { try? queue.close() }
      (application, version, tables) = try queue.read { database in
        (
          try Int.fetchOne(database, sql: "PRAGMA application_id") ?? 0,
          try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0,
          try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_master") ?? 0
        )
      }
    } catch {
      throw RetrievalError(storage: error, path: path)
    }
    if application == 0, tables == 0 { return nil }
    guard application == Schema.applicationID else { throw .databaseForeign(path: path) }
    guard version <= Schema.version else {
      throw .databaseTooNew(path: path, version: version, supported: Schema.version)
    }
    return version
  }
}

extension RetrievalError {
  /// What an error of SQLite means to the one who asked.
  init(storage error: any Error, path: String) {
    if let error = error as? RetrievalError {
      self = error
      return
    }
    guard let error = error as? DatabaseError else {
      self = .storageFailure(path: path, message: "\(error)")
      return
    }
    let code = error.extendedResultCode.rawValue
    let message = error.message.map { "\($0) (SQLite error \(code))" } ?? "SQLite error \(code)"
    self =
      switch error.resultCode {
      case .SQLITE_BUSY, .SQLITE_LOCKED: .databaseLocked(path: path)
      case .SQLITE_READONLY, .SQLITE_PERM: .databaseReadOnly(path: path)
      case .SQLITE_FULL: .diskFull(path: path)
      case .SQLITE_CORRUPT, .SQLITE_NOTADB: .databaseCorrupt(path: path, message: message)
      case .SQLITE_IOERR, .SQLITE_CANTOPEN:
        Self.stateOfDisk(path) ?? .storageFailure(path: path, message: message)
      default: .storageFailure(path: path, message: message)
      }
  }

  /// Where SQLite says only that something failed, the file system may say why.
  private static func stateOfDisk(_ path: String) -> RetrievalError? {
    var status = statvfs()
    guard statvfs(path, &status) == 0 else { return nil }
    if status.f_flag & UInt(ST_RDONLY) != 0 { return .databaseReadOnly(path: path) }
    if status.f_bavail == 0 || status.f_favail == 0 { return .diskFull(path: path) }
    // ext4 that has gone read-only after an error, and quotas, show only in what they refuse.
    let probe = path + "-probe"
    let descriptor = open(probe, O_CREAT | O_WRONLY | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { return refused(path, errno) }
    close(descriptor)
    unlink(probe)
    return nil
  }

  /// What it means that a file can't be written for such a reason; nil: no more than that.
  static func refused(_ path: String, _ error: Int32) -> RetrievalError? {
    switch error {
    case EROFS, EACCES, EPERM: .databaseReadOnly(path: path)
    case ENOSPC, EDQUOT: .diskFull(path: path)
    default: nil
    }
  }
}
