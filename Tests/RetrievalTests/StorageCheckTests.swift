// What the doctor finds: nothing where all is well, and each damage under its name.

import Documents
import GRDBSQLite
import Glibc
import Testing

@testable import Retrieval

@Suite struct StorageCheckTests {
  private func filled() async throws -> TemporaryDirectory {
    let directory = try TemporaryDirectory()
    let store = try await openStore(in: directory)
    _ = try await store.putDocuments(
      (0..<40).map { DocumentInput(id: "\($0)", text: "document number \($0) 模型") }, in: "default")
    try await store.close()
    return directory
  }

  private func execute(_ sql: String, _ directory: TemporaryDirectory) {
    var handle: OpaquePointer?
    #expect(sqlite3_open(directory.database, &handle) == SQLITE_OK)
    #expect(sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK)
    sqlite3_close(handle)
  }

  private func findings(_ path: String, _ embedder: FakeEmbedder = FakeEmbedder()) -> [Finding] {
    StorageCheck(dataDirectory: path, embedding: embedder.identity).findings()
      .filter { $0.subject != "disk" }
  }

  /// What isn't well.
  private func problems(_ directory: TemporaryDirectory) -> [String] {
    findings(directory.path).filter { $0.level != .ok }.map(\.subject)
  }

  @Test func aHealthyFolderHasNoProblems() async throws {
    let directory = try await filled()
    #expect(problems(directory) == [])
    let texts = findings(directory.path).map(\.message)
    #expect(texts.contains("40 documents, 40 chunks"))
    #expect(texts.contains("snapshot of 40 rows, up to date"))
    // Beside a store that is in use.
    let store = try await openStore(in: directory)
    _ = try await store.putDocuments([DocumentInput(id: "new", text: "new")], in: "default")
    #expect(problems(directory) == [])
    #expect(findings(directory.path).contains { $0.message.contains("in use by process") })
    #expect(findings(directory.path).contains { $0.message.contains("earlier state") })
    try await store.close()
  }

  @Test func aFolderThatIsNotThereIsNoProblem() {
    #expect(findings("/tmp/martlet-is-not-there").map(\.level) == [.ok])
    #expect(findings("/proc/self/status").map(\.level) == [.failure])
  }

  @Test func damageIsFound() async throws {
    let directory = try await filled()
    execute("UPDATE chunks SET vector = x'00000000' WHERE id = 7", directory)
    #expect(problems(directory) == ["collection default"])
    // A row that nobody has.
    execute(
      """
      PRAGMA foreign_keys = OFF; UPDATE chunks SET vector = (SELECT vector FROM chunks WHERE id = 1);
      UPDATE chunks SET document = 999 WHERE id = 7
      """, directory)
    #expect(problems(directory) == ["database"])
    let bytes = try directory.read("martlet.sqlite")
    var damaged = bytes
    for offset in bytes.count / 2..<bytes.count / 2 + 6000 { damaged[offset] = 0x55 }
    try directory.write(damaged, to: "martlet.sqlite")
    #expect(problems(directory) == ["database"])
  }

  @Test func aLostRowIsNoticedByTheSnapshot() async throws {
    let directory = try await filled()
    execute("DELETE FROM chunks WHERE id = 7", directory)
    #expect(problems(directory) == ["index of default"])
  }

  /// What a snapshot of the database's generation holds is served without a look at the database.
  @Test(arguments: [
    "UPDATE documents SET metadata = '{\"n\":2}' WHERE id = 7",
    "UPDATE documents SET name = 'other' WHERE id = 7",
    "UPDATE chunks SET document = 8, ordinal = 5 WHERE id = 7",
    "UPDATE chunks SET id = 1000 WHERE id = 7",
    """
    INSERT INTO documents
      (collection, name, text, scalar_count, metadata, text_hash, content_hash, created_at, updated_at)
      SELECT collection, 'new', x'', 0, metadata, text_hash, content_hash, created_at, updated_at
      FROM documents WHERE id = 7
    """,
  ]) func aSnapshotThatDiffersIsNoticed(_ change: String) async throws {
    let directory = try await filled()
    execute(change, directory)
    let found = findings(directory.path).filter { $0.level != .ok }
    #expect(found.map(\.subject) == ["index of default"])
    #expect(found.first?.message.contains("delete \(directory.path)/indexes") == true)
  }

  @Test func anotherModelIsNoticed() async throws {
    let directory = try await filled()
    let other = FakeEmbedder(name: "other")
    let found = findings(directory.path, other).filter { $0.level != .ok }
    #expect(found.map(\.level) == [.warning])
    #expect(found.first?.message.contains("other") == true)
  }

  @Test func aReindexThatWasCutShortIsNoticed() async throws {
    let directory = try await filled()
    let store = try await openStore(in: directory)
    let work = Task {
      try await store.reindex("default", CollectionSettingsUpdate()) { done in
        if done > 0 { withUnsafeCurrentTask { $0?.cancel() } }
      }
    }
    await #expect(throws: CancellationError.self) { _ = try await work.value }
    #expect(problems(directory) == ["collection .reindex.default"])
    _ = try await store.reindex("default", CollectionSettingsUpdate()) { _ in }
    #expect(problems(directory) == [])
  }

  @Test(.enabled(if: geteuid() != 0, "root may write everywhere"))
  func missingPermissionsAreNoticed() async throws {
    let directory = try await filled()
    chmod(directory.database, 0o400)
    #expect(problems(directory) == ["data folder"])
  }
}
