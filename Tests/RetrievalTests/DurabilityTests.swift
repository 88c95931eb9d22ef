// What is acknowledged is on disk, and what fails leaves everything as it was.

import Documents
import FoundationEssentials
import GRDB
import GRDBSQLite
import Testing

@testable import Retrieval

@Suite struct DurabilityTests {
  init() { WatchedFileSystem.install() }

  private func pragma(_ name: String, of store: DocumentStore) async throws -> String? {
    try await store.database.onWriter { try String.fetchOne($0, sql: "PRAGMA \(name)") }
  }

  @Test func pragmasAreInForce() async throws {
    let test = try await TestStore()
    #expect(try await pragma("synchronous", of: test.store) == "2")
    #expect(try await pragma("journal_mode", of: test.store) == "wal")
    #expect(try await pragma("foreign_keys", of: test.store) == "1")
    #expect(try await pragma("application_id", of: test.store) == "\(Schema.applicationID)")
    #expect(try await pragma("user_version", of: test.store) == "\(Schema.version)")
  }

  @Test func everyAcknowledgedCommitIsSynced() async throws {
    let test = try await TestStore()
    let path = test.directory.path
    for number in 0..<10 {
      let before = WatchedFileSystem.syncCount(under: path)
      try await test.put(["\(number)": "document number \(number)"])
      #expect(WatchedFileSystem.syncCount(under: path) > before)
    }
    var before = WatchedFileSystem.syncCount(under: path)
    _ = try await test.store.patchDocument("1", metadata: ["a": 1], in: "default")
    #expect(WatchedFileSystem.syncCount(under: path) > before)
    before = WatchedFileSystem.syncCount(under: path)
    try await test.store.deleteDocument("2", in: "default")
    #expect(WatchedFileSystem.syncCount(under: path) > before)
    before = WatchedFileSystem.syncCount(under: path)
    _ = try await test.store.putCollection("another")
    #expect(WatchedFileSystem.syncCount(under: path) > before)

    // The counter tells the difference: GRDB's own setting doesn't sync a commit.
    try await test.store.database.onWriter { try $0.execute(sql: "PRAGMA synchronous = NORMAL") }
    before = WatchedFileSystem.syncCount(under: path)
    try await test.put(["unsynced": "not on disk yet"])
    #expect(WatchedFileSystem.syncCount(under: path) == before)
  }

  @Test func aBatchIsOneTransaction() async throws {
    let test = try await TestStore()
    let before = WatchedFileSystem.syncCount(under: test.directory.path)
    let texts = (0..<20).map { ("\($0)", "text number \($0)") }
    try await test.put(Dictionary(uniqueKeysWithValues: texts))
    #expect(WatchedFileSystem.syncCount(under: test.directory.path) == before + 1)
  }

  /// The files as a killed process leaves them: the log not yet written back.
  @Test func acknowledgedDocumentsSurviveAKill() async throws {
    let test = try await TestStore()
    for number in 0..<5 { try await test.put(["\(number)": "kept document \(number)"]) }
    let copy = try TemporaryDirectory()
    for name in ["martlet.sqlite", "martlet.sqlite-wal"] {
      try copy.write(test.directory.read(name), to: name)
    }
    #expect(try copy.read("martlet.sqlite-wal").count > 0)
    let reopened = try await openStore(in: copy)
    #expect(try await reopened.documents(in: "default").documents.map(\.id).count == 5)
    #expect(reopened.statistics.chunks == 5)
    // A log that ends in the middle of a commit loses that commit and nothing before it.
    let torn = try TemporaryDirectory()
    try torn.write(test.directory.read("martlet.sqlite"), to: "martlet.sqlite")
    let log = try test.directory.read("martlet.sqlite-wal")
    try torn.write(Array(log.dropLast(5000)), to: "martlet.sqlite-wal")
    let recovered = try await openStore(in: torn)
    let documents = try await recovered.documents(in: "default").documents
    #expect(documents.count == 4)
    #expect(documents.allSatisfy { $0.chunkCount == 1 })
  }

  @Test func reopeningFindsEverything() async throws {
    let directory = try TemporaryDirectory()
    var before: [RetrievedChunk] = []
    do {
      let store = try await openStore(in: directory)
      _ = try await store.putDocuments(
        [
          DocumentInput(id: "a", text: "apples and pears", metadata: ["n": 1, "tags": ["x"]]),
          DocumentInput(id: "b", text: "模型 and trains", metadata: ["n": 2.5]),
          DocumentInput(id: "empty", text: ""),
        ], in: "default")
      before = try await store.retrieve(RetrievalRequest(.query("apples"))).results[0]
      try await store.close()
    }
    let store = try await openStore(in: directory)
    #expect(before.count == 2)
    #expect(try await store.retrieve(RetrievalRequest(.query("apples"))).results[0] == before)
    #expect(store.statistics.documents == 3)
  }

  @Test func aFullDiskLosesNothing() async throws {
    let test = try await TestStore()
    try await test.put(["kept": "a document that was there before"])
    let pages = try await test.store.database.onWriter { database in
      try Int.fetchOne(database, sql: "PRAGMA page_count") ?? 0
    }
    try await test.store.database.onWriter { database in
      try database.execute(sql: "PRAGMA max_page_count = \(pages)")
    }
    let long = String(repeating: "many words that fill the disk. ", count: 3000)
    #expect(
      await asyncRefusal { try await test.put(["big": long]) }
        == .diskFull(path: test.directory.database))
    #expect(try await test.store.documents(in: "default").documents.map(\.id) == ["kept"])
    #expect(try await test.search("document").map(\.documentID) == ["kept"])
    try await test.store.database.onWriter {
      try $0.execute(sql: "PRAGMA max_page_count = 1000000")
    }
    try await test.put(["big": long])
    #expect(try await test.search("words fill disk", mode: .sparse).first?.documentID == "big")
  }

  @Test(arguments: [
    (SQLITE_FULL, "disk_full"), (SQLITE_READONLY, "database_read_only"),
    (SQLITE_IOERR, "storage_failure"),
  ]) func failingWritesLoseNothing(code: Int32, expected: String) async throws {
    let test = try await TestStore()
    try await test.put(["kept": "a document that was there before"])
    WatchedFileSystem.failWrites(under: test.directory.path, with: code)
    #expect(await asyncRefusal { try await test.put(["new": "another one"]) }?.code == expected)
    #expect(
      await asyncRefusal { try await test.store.deleteDocument("kept", in: "default") }?.code
        == expected
    )
    #expect(try await test.search("document").map(\.documentID) == ["kept"])
    WatchedFileSystem.failWrites(under: test.directory.path, with: nil)
    // Recovered without a restart.
    try await test.put(["new": "another one"])
    #expect(test.store.statistics.documents == 2)
    let copy = try TemporaryDirectory()
    for name in ["martlet.sqlite", "martlet.sqlite-wal"] {
      try copy.write(test.directory.read(name), to: name)
    }
    #expect(try await openStore(in: copy).statistics.documents == 2)
  }

  @Test func aLockOfAnotherProgramIsNamed() async throws {
    let directory = try TemporaryDirectory()
    let store = try await openStore(in: directory, busyTimeoutSeconds: 0.05)
    var handle: OpaquePointer?
    #expect(sqlite3_open(directory.database, &handle) == SQLITE_OK)
    defer { sqlite3_close(handle) }
    #expect(sqlite3_exec(handle, "BEGIN IMMEDIATE", nil, nil, nil) == SQLITE_OK)
    let locked = await asyncRefusal {
      _ = try await store.putDocuments([DocumentInput(id: "a", text: "b")], in: "default")
    }
    #expect(locked == .databaseLocked(path: directory.database))
    #expect(sqlite3_exec(handle, "ROLLBACK", nil, nil, nil) == SQLITE_OK)
    _ = try await store.putDocuments([DocumentInput(id: "a", text: "b")], in: "default")
  }
}
