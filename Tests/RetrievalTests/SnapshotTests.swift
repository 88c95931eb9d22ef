// Snapshots of indexes: written beside changes, caught up at start, refused when they are of another
// history. Tests damage texts behind the index's back to see what was read from where.

import Compute
import Documents
import FoundationEssentials
import GRDB
import GRDBSQLite
import SearchIndex
import Synchronization
import Testing

@testable import Retrieval

@Suite struct SnapshotTests {
  private func inputs(_ range: Range<Int>, _ word: String = "number") -> [DocumentInput] {
    range.map { DocumentInput(id: "\($0)", text: "document \(word) \($0) 模型", metadata: ["n": 1]) }
  }

  private func execute(_ sql: String, _ path: String) {
    var handle: OpaquePointer?
    #expect(sqlite3_open(path, &handle) == SQLITE_OK)
    #expect(sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK)
    sqlite3_close(handle)
  }

  /// The folder's files as a killed process leaves them.
  private func killed(_ directory: TemporaryDirectory) throws -> TemporaryDirectory {
    let copy = try TemporaryDirectory()
    try FileManager.default.removeItem(atPath: copy.path)
    try FileManager.default.copyItem(atPath: directory.path, toPath: copy.path)
    return copy
  }

  /// Ids that a search for a word finds, all of them.
  private func found(_ word: String, _ store: DocumentStore) async throws -> Set<String> {
    var request = RetrievalRequest(.query(word))
    request.mode = .sparse
    request.topK = 1000
    return Set(try await store.retrieve(request).results[0].map(\.documentID))
  }

  /// Words and vectors of every chunk as the store's index has them, by document.
  private func same(_ store: DocumentStore, _ fresh: DocumentStore) async throws {
    let (index, expected) = (
      try #require(store.indexes.all.first), try #require(fresh.indexes.all.first)
    )
    #expect(index.liveRowCount == expected.liveRowCount)
    #expect(index.documentCount == expected.documentCount)
    func rows(_ index: CollectionIndex) -> [Int64: [Float]] {
      var rows: [Int64: [Float]] = [:]
      for row in 0..<index.rowCount where index.liveRows[row] {
        rows[index.chunkIDs[row]] = Array(
          UnsafeBufferPointer(start: index.matrix.row(row), count: index.dimension))
      }
      return rows
    }
    #expect(rows(index) == rows(expected))
    var filtered = RetrievalRequest(.query("document"))
    filtered.filter = .comparison(.eq, key: "n", value: 1)
    filtered.topK = 1000
    let (some, all) = (try await store.retrieve(filtered), try await fresh.retrieve(filtered))
    #expect(Set(some.results[0].map(\.id)) == Set(all.results[0].map(\.id)))
    for word in ["document", "number", "changed", "new", "7", "模型"] {
      #expect(try await found(word, store) == (try await found(word, fresh)), "\(word)")
    }
    var request = RetrievalRequest(.query("document changed 7"))
    request.mode = .dense
    #expect(
      try await store.retrieve(request).results[0] == (try await fresh.retrieve(request)).results[0]
    )
  }

  @Test func aSnapshotIsCaughtUpAfterAKill() async throws {
    let directory = try TemporaryDirectory()
    do {
      let store = try await openStore(in: directory)
      _ = try await store.putDocuments(inputs(0..<40), in: "default")
      try await store.close()
    }
    let store = try await openStore(in: directory)
    // New ones, replaced ones, emptied ones, deleted ones, changed metadata.
    _ = try await store.putDocuments(inputs(40..<50, "new"), in: "default")
    _ = try await store.putDocuments(inputs(5..<9, "changed"), in: "default")
    _ = try await store.putDocuments([DocumentInput(id: "10", text: "")], in: "default")
    try await store.deleteDocument("7", in: "default")
    try await store.deleteDocument("20", in: "default")
    try await store.deleteDocument("45", in: "default")
    _ = try await store.patchDocument("1", metadata: ["n": 2], in: "default")

    let copy = try killed(directory)
    let fresh = try killed(directory)
    try FileManager.default.removeItem(atPath: fresh.path + "/indexes")
    // A text of the snapshot is not read again, so that damage to it isn't noticed.
    let embedder = FakeEmbedder()
    execute("UPDATE chunks SET vector = x'00' WHERE id = 1", copy.database)
    let caughtUp = try await openStore(in: copy, embedder: embedder)
    execute("UPDATE chunks SET vector = x'00' WHERE id = 1", fresh.database)
    let refused = await asyncRefusal { _ = try await openStore(in: fresh) }
    #expect(refused?.code == "database_corrupt")

    let other = try killed(directory)
    // Not before: closing writes the log back.
    try await store.close()
    try FileManager.default.removeItem(atPath: other.path + "/indexes")
    let rebuilt = try await openStore(in: other)
    try await same(caughtUp, rebuilt)
    let one = Filter.comparison(.eq, key: "n", value: 2)
    let index = try #require(caughtUp.indexes.all.first)
    let names = index.documents(matching: one).compactMap { id in
      index.documents.slot(of: id).flatMap { index.documents[$0]?.name }
    }
    #expect(names == ["1"])
    // It goes on from there, and is written and read once more.
    _ = try await caughtUp.putDocuments(inputs(60..<62, "changed"), in: "default")
    _ = try await rebuilt.putDocuments(inputs(60..<62, "changed"), in: "default")
    try await same(caughtUp, rebuilt)
  }

  /// Of the very state that the database is in, nothing is read from the database.
  @Test func documentsAreReadFromASnapshot() async throws {
    let directory = try TemporaryDirectory()
    do {
      let store = try await openStore(in: directory)
      _ = try await store.putDocuments(inputs(0..<9), in: "default")
      _ = try await store.patchDocument("4", metadata: ["n": "longer than it was"], in: "default")
      try await store.deleteDocument("3", in: "default")
      _ = try await store.putDocuments([DocumentInput(id: "empty", text: "")], in: "default")
      try await store.close()
    }
    execute("UPDATE documents SET metadata = 'no JSON'", directory.database)
    let store = try await openStore(in: directory)
    let index = try #require(store.indexes.all.first)
    let documents = (0..<index.documents.slotCount).compactMap { index.documents[$0] }
    #expect(documents.map(\.name) == ["0", "1", "2", "4", "5", "6", "7", "8", "empty"])
    #expect(
      documents.map(\.rows) == [0..<1, 1..<2, 2..<3, 4..<5, 5..<6, 6..<7, 7..<8, 8..<9, 9..<9])
    #expect(documents[3].metadata == ["n": "longer than it was"])
    #expect(documents[4].metadata == ["n": 1] && documents[8].metadata == [:])
    try await store.close()
    let later = try killed(directory)
    execute("UPDATE collections SET generation = generation + 1", later.database)
    let refused = await asyncRefusal { _ = try await openStore(in: later) }
    #expect(refused?.code == "database_corrupt", "a later state is compared with the database's")
  }

  /// A backup is older than the snapshot in the folder; what is stored after it has the same ids.
  @Test func aSnapshotOfAnotherHistoryIsRefused() async throws {
    let directory = try TemporaryDirectory()
    do {
      let store = try await openStore(in: directory)
      _ = try await store.putDocuments(inputs(0..<10), in: "default")
      try await store.close()
    }
    let old = try killed(directory)
    do {
      let store = try await openStore(in: directory)
      _ = try await store.putDocuments(inputs(10..<20), in: "default")
      try await store.close()
    }
    // The older database beside the newer snapshot, then changed otherwise and killed.
    try old.write(directory.read("indexes/1.index"), to: "indexes/1.index")
    let store = try await openStore(in: old)
    _ = try await store.putDocuments(inputs(10..<20, "changed"), in: "default")
    let copy = try killed(old)
    try await store.close()
    try copy.write(directory.read("indexes/1.index"), to: "indexes/1.index")
    let reopened = try await openStore(in: copy)
    #expect(try await found("changed", reopened).count == 10)
    #expect(try await found("number", reopened).count == 10)
  }

  /// Written while rows are appended, with rows that are dead, and read back.
  @Test func snapshotsAreWrittenBesideChanges() async throws {
    let directory = try TemporaryDirectory()
    let store = try await openStore(in: directory)
    _ = try await store.putDocuments(inputs(0..<2100), in: "default")
    try await store.deleteDocument("3", in: "default")
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await store.writeSnapshots() }
      group.addTask { [inputs = inputs(3000..<3040, "new")] in
        _ = try? await store.putDocuments(inputs, in: "default")
      }
    }
    #expect(FileSize.bytes(directory.path + "/indexes/1.index") > 0)
    let copy = try killed(directory)
    let reopened = try await openStore(in: copy)
    #expect(reopened.statistics.documents == 2139 && store.statistics.documents == 2139)
    #expect(try await found("new", reopened).count == 40)
    #expect(try await found("3", reopened).isEmpty)
    // Little has changed since: nothing is written.
    let before = try directory.read("indexes/1.index")
    _ = try await store.putDocuments(inputs(5000..<5001), in: "default")
    await store.writeSnapshots()
    #expect(try directory.read("indexes/1.index") == before)
  }

  @Test func aSnapshotThatCantBeWrittenIsReportedAndHarmless() async throws {
    let directory = try TemporaryDirectory()
    // A file where the folder should be.
    try directory.write([1], to: "indexes")
    let reports = Reports()
    let configuration = DocumentStoreConfiguration(dataDirectory: directory.path)
    let store = try await DocumentStore.open(
      configuration, embedder: FakeEmbedder(), pool: sharedPool, report: reports.add)
    _ = try await store.putDocuments(inputs(0..<5), in: "default")
    try await store.close()
    #expect(reports.all.count == 1)
    #expect(try await found("document", try await openStore(in: killed(directory))).count == 5)
  }

  /// Vectors may be the smaller part of it.
  @Test func roomIsAskedForAllOfASnapshot() async throws {
    let directory = try TemporaryDirectory()
    let store = try await openStore(in: directory)
    let long = String(repeating: "x", count: 5000)
    _ = try await store.putDocuments(
      (0..<9).map { DocumentInput(id: "\($0)", text: "a", metadata: ["n": .string(long)]) },
      in: "default")
    let index = try #require(store.indexes.all.first)
    let record = try await store.database.read { try CollectionRecord.require("default", $0) }
    var snapshots = IndexSnapshots(dataDirectory: directory.path, pool: sharedPool)
    snapshots.room = { _ in 2 * 40_000 }
    #expect(!snapshots.save(index, record))
    #expect(FileSize.bytes(directory.path + "/indexes/1.index") == 0)
    snapshots.room = { _ in 1 << 20 }
    #expect(snapshots.save(index, record))
    let saved = try #require(snapshots.read(record))
    #expect(saved.documents[8]?.metadata == ["n": .string(long)])
    try await store.close()
  }

  @Test func settledMatricesDontChange() throws {
    var matrix = VectorMatrix(dimension: 5)
    try matrix.reserve(40)
    func append(_ number: Int) {
      [Float](repeating: Float(number), count: 5).withUnsafeBufferPointer { matrix.append($0) }
    }
    for number in 0..<21 { append(number) }
    let settled = try matrix.settled()
    func bytes(_ matrix: VectorMatrix) -> [[UInt8]] { matrix.withSections { $0.map { Array($0) } } }
    let before = bytes(settled)
    #expect(before == bytes(matrix))
    for number in 21..<40 { append(number) }
    #expect(bytes(settled) == before && settled.count == 21)
  }
}

/// What was reported.
final class Reports: Sendable {
  private let texts = Mutex<[String]>([])
  var all: [String] { texts.withLock { $0 } }
  func add(_ text: String) { texts.withLock { $0.append(text) } }
}
