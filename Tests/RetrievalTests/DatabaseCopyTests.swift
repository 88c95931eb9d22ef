// Backups and restores: what is copied, what is refused, and what stays when something is wrong.

import FoundationEssentials
import GRDBSQLite
import Testing

@testable import Retrieval

@Suite struct DatabaseCopyTests {
  private func backUp(_ test: TestStore, to file: String, replacing: Bool = false)
    throws -> DatabaseCopy
  {
    try DatabaseCopy.backUp(dataDirectory: test.directory.path, to: file, replacing: replacing)
  }

  private func ids(_ store: DocumentStore) async throws -> [String] {
    try await store.documents(in: "default").documents.map(\.id)
  }

  @Test func aBackupBesideARunningStoreHoldsAllThatWasAcknowledged() async throws {
    let test = try await TestStore()
    try await test.put(["a": "apples and pears", "b": "模型 and trains"])
    let folder = try TemporaryDirectory()
    let file = folder.path + "/backup.sqlite"
    let copy = try backUp(test, to: file)
    #expect(copy.documents == 2 && copy.chunks == 2 && copy.collections == 1)
    #expect(copy.byteCount == FileSize.bytes(file))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["backup.sqlite"])
    // The store goes on, and the copy stays what it was.
    try await test.put(["c": "cherries"])

    let restored = try TemporaryDirectory()
    #expect(
      try DatabaseCopy.restore(file, dataDirectory: restored.path, replacing: false).documents == 2)
    let store = try await openStore(in: restored)
    #expect(try await ids(store) == ["a", "b"])
    var request = RetrievalRequest(.query("模型"))
    request.mode = .sparse
    #expect(try await store.retrieve(request).results[0].map(\.documentID) == ["b"])
    try await store.close()
  }

  @Test func nothingIsOverwrittenUnasked() async throws {
    let test = try await TestStore()
    try await test.put(["a": "apples"])
    let folder = try TemporaryDirectory()
    try folder.write([1, 2, 3], to: "taken")
    let file = folder.path + "/taken"
    #expect(refusal { _ = try backUp(test, to: file) }?.code == "copy_refused")
    #expect(try folder.read("taken") == [1, 2, 3])
    _ = try backUp(test, to: file, replacing: true)

    let other = try await TestStore()
    try await other.put(["kept": "another document"])
    let inUse = refusal {
      _ = try DatabaseCopy.restore(file, dataDirectory: other.directory.path, replacing: true)
    }
    #expect(inUse?.code == "data_directory_in_use")
    #expect(try await ids(other.store) == ["kept"])
  }

  /// A folder with documents, as a killed process leaves it: the last ones are in the log only.
  private func killed() async throws -> TemporaryDirectory {
    let test = try await TestStore()
    try await test.put(["old": "an old document"])
    let folder = try TemporaryDirectory()
    for name in ["martlet.sqlite", "martlet.sqlite-wal"] {
      try folder.write(test.directory.read(name), to: name)
    }
    return folder
  }

  @Test func aRestoreReplacesAFolderOnlyIfTold() async throws {
    let test = try await TestStore()
    try await test.put(["new": "a new document"])
    let files = try TemporaryDirectory()
    let file = files.path + "/backup"
    _ = try backUp(test, to: file)
    let folder = try await killed()
    let refused = refusal {
      _ = try DatabaseCopy.restore(file, dataDirectory: folder.path, replacing: false)
    }
    #expect(refused?.code == "copy_refused")
    _ = try DatabaseCopy.restore(file, dataDirectory: folder.path, replacing: true)
    // The old log is gone: it would have been read into the new database.
    #expect((try? folder.read("martlet.sqlite-wal")) == nil)
    let store = try await openStore(in: folder)
    #expect(try await ids(store) == ["new"])
  }

  @Test func damagedAndForeignFilesLeaveTheFolderAsItWas() async throws {
    let folder = try await killed()
    let before = try folder.read("martlet.sqlite")
    let log = try folder.read("martlet.sqlite-wal")
    let files = try TemporaryDirectory()
    let test = try await TestStore()
    for number in 0..<40 { try await test.put(["\(number)": "document number \(number)"]) }
    _ = try backUp(test, to: files.path + "/good")
    var damaged = try files.read("good")
    for offset in (damaged.count / 2)..<(damaged.count / 2 + 6000) { damaged[offset] = 0x55 }
    try files.write(damaged, to: "damaged")
    try files.write(Array("no database at all".utf8), to: "text")
    try files.write([], to: "empty")
    var handle: OpaquePointer?
    #expect(sqlite3_open(files.path + "/foreign", &handle) == SQLITE_OK)
    #expect(sqlite3_exec(handle, "CREATE TABLE songs (title)", nil, nil, nil) == SQLITE_OK)
    sqlite3_close(handle)
    #expect(sqlite3_open(files.path + "/good", &handle) == SQLITE_OK)
    #expect(sqlite3_exec(handle, "PRAGMA user_version = 99", nil, nil, nil) == SQLITE_OK)
    sqlite3_close(handle)
    for (name, code) in [
      ("damaged", "database_corrupt"), ("text", "database_corrupt"), ("empty", "copy_refused"),
      ("missing", "copy_refused"), ("foreign", "database_foreign"), ("good", "database_too_new"),
    ] {
      let error = refusal {
        _ = try DatabaseCopy.restore(
          files.path + "/" + name, dataDirectory: folder.path, replacing: true)
      }
      #expect(error?.code == code, "\(name)")
    }
    #expect(try folder.read("martlet.sqlite") == before)
    #expect(try folder.read("martlet.sqlite-wal") == log)
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    #expect(!names.contains { $0.contains("restoring") })
    #expect(try await ids(try await openStore(in: folder)) == ["old"])
  }

  @Test func aDamagedFolderCanBeRestored() async throws {
    let test = try await TestStore()
    try await test.put(["a": "apples"])
    let folder = try TemporaryDirectory()
    _ = try backUp(test, to: folder.path + "/backup")
    let data = try TemporaryDirectory()
    try data.write(Array(repeating: 0x41, count: 9000), to: "martlet.sqlite")
    try data.write(Array(repeating: 0x42, count: 9000), to: "martlet.sqlite-wal")
    _ = try DatabaseCopy.restore(
      folder.path + "/backup", dataDirectory: data.path, replacing: true)
    #expect(try await ids(try await openStore(in: data)) == ["a"])
  }
}
