// What `martlet doctor` finds out about a data folder: whether it can be used, whether the database is
// whole, and whether what is kept beside it agrees with it. Only reads, so that it can run beside a
// server. Finds, never throws: what can't be looked at is a finding.

import Compute
import GRDB
import Glibc

/// One thing that was looked at.
package struct Finding: Sendable, Hashable {
  package enum Level: String, Sendable { case ok, warning, failure }

  package var subject: String
  package var level: Level
  package var message: String

  package init(_ subject: String, _ level: Level, _ message: String) {
    self.subject = subject
    self.level = level
    self.message = message
  }
}

package struct StorageCheck {
  private let folder: String
  private let loaded: EmbedderIdentity?
  private var path: String { folder + "/" + DataDirectory.databaseName }

  /// - Parameter embedding: the model that a server would load
  package init(dataDirectory: String, embedding: EmbedderIdentity?) {
    folder = dataDirectory
    loaded = embedding
  }

  package func findings() -> [Finding] {
    var status = stat()
    guard stat(folder, &status) == 0 else {
      guard errno == ENOENT else { return [Finding("data folder", .failure, unusable(folder))] }
      return [Finding("data folder", .ok, "\(folder) is not there yet: the first start makes it")]
    }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      return [Finding("data folder", .failure, "\(folder) is not a folder: choose one with --data")]
    }
    return [folderFinding, diskFinding] + databaseFindings()
  }

  private func unusable(_ path: String) -> String {
    """
    \(path): \(String(cString: strerror(errno))); this process runs as user id \(geteuid())
    """
  }

  // MARK: Folder and disk

  private var folderFinding: Finding {
    guard access(folder, R_OK | W_OK | X_OK) == 0 else {
      return Finding("data folder", .failure, unusable(folder))
    }
    for file in [path, path + "-wal", path + "-shm", folder + "/lock", folder + "/indexes"]
    where access(file, F_OK) == 0 && access(file, R_OK | W_OK) != 0 {
      return Finding("data folder", .failure, unusable(file))
    }
    let holder = DataDirectory.holder(of: folder).map { "in use by \($0)" } ?? "in use by nobody"
    return Finding("data folder", .ok, "\(folder), \(holder)")
  }

  private var diskFinding: Finding {
    var status = statvfs()
    guard statvfs(folder, &status) == 0 else {
      return Finding("disk", .failure, unusable(folder))
    }
    let free = FileSize.available(folder)
    let database = FileSize.bytes(path)
    let message = "\(free >> 20) MiB free"
    if status.f_flag & UInt(ST_RDONLY) != 0 {
      return Finding("disk", .failure, "mounted read-only")
    }
    if free < 64 << 20 { return Finding("disk", .failure, message + ": free some space") }
    if free < max(1 << 30, database) {
      return Finding("disk", .warning, message + ": a reindex needs as much as the documents take")
    }
    return Finding("disk", .ok, message)
  }

  // MARK: Database

  private func databaseFindings() -> [Finding] {
    do throws(RetrievalError) {
      guard let version = try StoreDatabase.version(ofFile: path) else {
        return [Finding("database", .ok, "none yet")]
      }
      return try databaseFindings(version)
    } catch {
      return [Finding("database", .failure, "\(error)")]
    }
  }

  private func databaseFindings(_ version: Int) throws(RetrievalError) -> [Finding] {
    do {
      var configuration = Configuration()
      configuration.readonly = true
      configuration.busyMode = .timeout(5)
      let queue = try DatabaseQueue(path: path, configuration: configuration)
      defer { try? queue.close() }
      return try queue.read { database in
        let problems = try database.integrityProblems()
        guard problems.isEmpty else {
          return [Finding("database", .failure, "damaged: " + problems.joined(separator: "; "))]
        }
        var findings = [Finding("database", .ok, "whole, schema version \(version)")]
        guard version == Schema.version else {
          let message = "the next start brings it to \(Schema.version)"
          return findings + [Finding("schema", .warning, message)]
        }
        for record in try CollectionRecord.all(database) {
          findings += try collectionFindings(record, database)
        }
        return findings
      }
    } catch {
      throw RetrievalError(storage: error, path: path)
    }
  }

  private func collectionFindings(_ record: CollectionRecord, _ database: Database) throws
    -> [Finding]
  {
    let subject = "collection \(record.name)"
    let documents = try DocumentRecord.count(in: record.id, database)
    let row = try Row.fetchOne(
      database,
      sql: """
        SELECT count(*), coalesce(sum(length(chunks.vector) != ?), 0)
        FROM chunks JOIN documents ON documents.id = chunks.document WHERE documents.collection = ?
        """, arguments: [record.dimension * MemoryLayout<Float>.size, record.id])
    let (chunks, odd) = (try row?.int(at: 0) ?? 0, try row?.int(at: 1) ?? 0)
    guard odd == 0 else {
      let message = "\(odd) of \(chunks) vectors don't have \(record.dimension) values"
      return [Finding(subject, .failure, message + ": reindex it")]
    }
    if record.isHidden {
      let message = "a reindex was cut short after \(documents) documents: ask for it again"
      return [Finding(subject, .warning, message)]
    }
    var findings = [Finding(subject, .ok, "\(documents) documents, \(chunks) chunks")]
    if chunks > 0, let stored = record.embedding, let loaded, !stored.isCompatible(with: loaded) {
      let error = RetrievalError.embeddingModelMismatch(
        collection: record.name, stored: stored, loaded: loaded)
      findings.append(Finding(subject, .warning, "\(error)"))
    }
    if chunks > 0 { findings.append(try snapshotFinding(record, chunks, database)) }
    return findings
  }

  private func snapshotFinding(_ record: CollectionRecord, _ chunks: Int, _ database: Database)
    throws -> Finding
  {
    let subject = "index of \(record.name)"
    let pool = ThreadPool(threads: 1)
    let snapshots = IndexSnapshots(dataDirectory: folder, pool: pool)
    guard let saved = snapshots.read(record) else {
      return Finding(subject, .ok, "no snapshot: the next start makes the index anew")
    }
    guard saved.generation == record.generation else {
      return Finding(subject, .ok, "snapshot of an earlier state, brought up to date at the start")
    }
    let loader = IndexLoader(record: record, snapshots: snapshots, pool: pool)
    guard try loader.agrees(saved, database) else {
      let message =
        saved.liveRowCount == chunks
        ? "snapshot whose chunks, names or metadata are not the database's"
        : "snapshot of \(saved.liveRowCount) rows for \(chunks) chunks"
      return Finding(subject, .failure, message + ": stop the server and delete \(folder)/indexes")
    }
    return Finding(subject, .ok, "snapshot of \(chunks) rows, up to date")
  }
}
