// What the database knows of jobs: the last ones, as they were when they began or ended.

import GRDB
import JSON

extension DocumentStore {
  private static let keptJobs = 100
  private static let columns = """
    id, kind, collection, state, done, total, result, error, created_at, updated_at
    """

  /// Writes what is known of a job; the oldest ones go.
  package func record(_ job: Job) async throws {
    try await database.commit { database in
      try database.execute(
        sql: """
          INSERT OR REPLACE INTO jobs (\(Self.columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
          """,
        arguments: [
          job.id, job.kind.rawValue, job.collection, job.state.rawValue, job.done, job.total,
          job.result?.description, job.error?.description, job.createdAt, job.updatedAt,
        ])
      try database.execute(
        sql: """
          DELETE FROM jobs WHERE id NOT IN
            (SELECT id FROM jobs ORDER BY created_at DESC, id LIMIT ?)
          """, arguments: [Self.keptJobs])
    } publish: { _ in
    }
  }

  /// Newest first.
  package func jobs() async throws -> [Job] {
    try await database.read { database in
      let sql = "SELECT \(Self.columns) FROM jobs ORDER BY created_at DESC, id"
      return try Row.fetchAll(database, sql: sql).map(Job.init)
    }
  }

  package func job(_ id: String) async throws -> Job? {
    try await database.read { database in
      let sql = "SELECT \(Self.columns) FROM jobs WHERE id = ?"
      return try Row.fetchOne(database, sql: sql, arguments: [id]).map(Job.init)
    }
  }

  /// At start: whatever was running isn't any more.
  static func interruptJobs(_ database: Database) throws {
    try database.execute(
      sql: "UPDATE jobs SET state = ?, updated_at = ? WHERE state = ?",
      arguments: [Job.State.interrupted.rawValue, now(), Job.State.running.rawValue])
  }
}

extension Job {
  fileprivate init(_ row: Row) throws {
    guard let kind = Kind(rawValue: try row.string(at: 1)) else { throw row.damage(1) }
    guard let state = State(rawValue: try row.string(at: 3)) else { throw row.damage(3) }
    self.init(kind, collection: try row.string(at: 2), total: try row.int(at: 5))
    id = try row.string(at: 0)
    self.state = state
    done = try row.int(at: 4)
    result = try Self.json(row, 6)
    error = try Self.json(row, 7)
    createdAt = try row.int(at: 8)
    updatedAt = try row.int(at: 9)
  }

  private static func json(_ row: Row, _ index: Int) throws -> JSONValue? {
    guard let text = try row.optionalString(at: index) else { return nil }
    guard let value = try? JSONValue(parsing: Array(text.utf8)) else { throw row.damage(index) }
    return value
  }
}
