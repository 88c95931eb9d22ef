// Opening a data directory: claims, permissions, and files that are not ours or damaged.

import Compute
import Documents
import FoundationEssentials
import Fuzzing
import GRDB
import GRDBSQLite
import Glibc
import Synchronization
import Testing

@testable import Retrieval

@Suite struct DataDirectoryTests {
  @Test func aSecondProcessIsToldWhoHoldsIt() async throws {
    let directory = try TemporaryDirectory()
    let store = try await openStore(in: directory)
    // flock belongs to the open file, so a second claim in this process is refused all the same.
    let refused = await asyncRefusal { _ = try await openStore(in: directory) }
    #expect(
      refused
        == .dataDirectoryInUse(
          path: directory.path, holder: "process \(getpid()), http://127.0.0.1:8080"))
    #expect("\(try #require(refused))".contains("http://127.0.0.1:8080"))
    try await store.close()
  }

  @Test func aClaimEndsWithItsHolder() async throws {
    let directory = try TemporaryDirectory()
    try await openStore(in: directory).close()
    _ = try await openStore(in: directory)
  }

  @Test func missingDirectoriesAreMade() async throws {
    let directory = try TemporaryDirectory()
    let claimed = try DataDirectory(claiming: directory.path + "/a/b/c", holder: "me")
    #expect(FileSize.bytes(claimed.path + "/lock") > 0)
  }

  @Test func aClaimIsHandedOver() async throws {
    let directory = try TemporaryDirectory()
    let claimed = try DataDirectory(claiming: directory.path, holder: "me")
    let store = try await DocumentStore.open(
      DocumentStoreConfiguration(dataDirectory: directory.path), in: claimed,
      embedder: FakeEmbedder(), pool: sharedPool)
    #expect(await asyncRefusal { _ = try await openStore(in: directory) } != nil)
    try await store.close()
  }

  /// A descriptor that is closed twice is another's the second time.
  @Test func aRefusedClaimClosesNothingElse() async throws {
    let directory = try TemporaryDirectory()
    let claimed = try DataDirectory(claiming: directory.path, holder: "me")
    let isOver = Flag()
    let thread = try ComputeThread(name: "descriptors")
    async let lost = thread.perform {
      var lost = 0
      while !isOver.isSet {
        let descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC)
        sched_yield()
        if close(descriptor) != 0 { lost += 1 }
      }
      return lost
    }
    for _ in 0..<2000 {
      #expect(refusal { _ = try DataDirectory(claiming: directory.path, holder: "") } != nil)
    }
    isOver.set()
    #expect(try await lost == 0)
    withExtendedLifetime(claimed) {}
  }

  private final class Flag: Sendable {
    private let value = Atomic(false)
    var isSet: Bool { value.load(ordering: .relaxed) }
    func set() { value.store(true, ordering: .relaxed) }
  }

  @Test(arguments: ["/proc/martlet-data", "/dev/null/data", ""])
  func directoriesThatCantBeMadeAreExplained(path: String) throws {
    let error = try #require(refusal { _ = try DataDirectory(claiming: path, holder: "me") })
    guard case .dataDirectoryUnusable(_, let message) = error else {
      Issue.record("\(error)")
      return
    }
    #expect(message.contains("--data"))
    #expect(!message.contains("chown"), "permissions are not what is wrong")
  }

  @Test(.enabled(if: geteuid() != 0, "root may write everywhere"))
  func aDirectoryWithoutPermissionIsExplained() throws {
    let directory = try TemporaryDirectory()
    chmod(directory.path, 0o500)
    defer { chmod(directory.path, 0o700) }
    let error = try #require(
      refusal { _ = try DataDirectory(claiming: directory.path, holder: "") })
    #expect("\(error)".contains("user id \(geteuid())"))
  }

  @Test func aFileInThePlaceOfTheDirectoryIsRefused() throws {
    let directory = try TemporaryDirectory()
    try directory.write([1], to: "data")
    let path = directory.path + "/data"
    #expect(
      refusal { _ = try DataDirectory(claiming: path, holder: "") }?.code
        == "data_directory_unusable")
  }
}

@Suite struct OpeningTests {
  private func execute(_ sql: String, _ directory: TemporaryDirectory) {
    var handle: OpaquePointer?
    #expect(sqlite3_open(directory.database, &handle) == SQLITE_OK)
    #expect(sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK)
    sqlite3_close(handle)
  }

  @Test func aDatabaseOfAnotherProgramIsLeftAlone() async throws {
    let directory = try TemporaryDirectory()
    execute("CREATE TABLE songs (title); INSERT INTO songs VALUES ('x')", directory)
    let before = try directory.read("martlet.sqlite")
    #expect(
      await asyncRefusal { _ = try await openStore(in: directory) }
        == .databaseForeign(path: directory.database))
    #expect(try directory.read("martlet.sqlite") == before)
  }

  @Test func aNewerDatabaseIsRefused() async throws {
    let directory = try TemporaryDirectory()
    try await openStore(in: directory).close()
    execute("PRAGMA user_version = 99", directory)
    #expect(
      await asyncRefusal { _ = try await openStore(in: directory) }
        == .databaseTooNew(path: directory.database, version: 99, supported: Schema.version))
  }

  @Test func anEmptyFileIsUsed() async throws {
    let directory = try TemporaryDirectory()
    try directory.write([], to: "martlet.sqlite")
    #expect(try await openStore(in: directory).statistics.collections == 1)
  }

  @Test func otherBytesAreDamage() async throws {
    let directory = try TemporaryDirectory()
    try directory.write(Array(repeating: 0x41, count: 5000), to: "martlet.sqlite")
    #expect(
      await asyncRefusal { _ = try await openStore(in: directory) }?.code == "database_corrupt")
  }

  @Test func aTruncatedFileIsDamage() async throws {
    let directory = try await filled()
    let bytes = try directory.read("martlet.sqlite")
    try directory.write(Array(bytes.prefix(bytes.count / 2)), to: "martlet.sqlite")
    #expect(
      await asyncRefusal { _ = try await openStore(in: directory) }?.code == "database_corrupt")
  }

  @Test func aVectorOfTheWrongLengthIsDamage() async throws {
    let directory = try await filled()
    try directory.write([], to: "indexes/1.index")
    execute("UPDATE chunks SET vector = x'00000000' WHERE id = 1", directory)
    #expect(
      await asyncRefusal { _ = try await openStore(in: directory) }?.code == "database_corrupt")
  }

  /// Whether a search finds document 7 of `filled`.
  private func findsSeven(_ store: DocumentStore) async throws -> Bool {
    var request = RetrievalRequest(.query("number 7"))
    request.mode = .sparse
    return try await store.retrieve(request).results[0].first?.documentID == "7"
  }

  @Test func damagedSnapshotsAreMadeAnew() async throws {
    let directory = try await filled()
    let snapshot = try directory.read("indexes/1.index")
    // One bit in each section, too: sections begin at multiples of 4096.
    let flipped = stride(from: 0, to: snapshot.count, by: 4096).map { place in
      var damage = snapshot
      damage[place] ^= 1
      return damage
    }
    for damage in [[], Array(snapshot.dropLast(4096)), snapshot.map { $0 ^ 0x10 }] + flipped {
      try directory.write(damage, to: "indexes/1.index")
      let store = try await openStore(in: directory)
      #expect(try await findsSeven(store))
      try await store.close()
      #expect(try directory.read("indexes/1.index") == snapshot)
    }
  }

  @Test func snapshotsOfOlderGenerationsAreMadeAnew() async throws {
    let directory = try await filled()
    let old = try directory.read("indexes/1.index")
    do {
      let store = try await openStore(in: directory)
      _ = try await store.putDocuments(
        [DocumentInput(id: "new", text: "number 7 7")], in: "default")
      try await store.close()
    }
    try directory.write(old, to: "indexes/1.index")
    let reopened = try await openStore(in: directory)
    #expect(try await findsSeven(reopened) == false)
    try await reopened.deleteCollection("default")
    #expect((try? directory.read("indexes/1.index")) == nil)
  }

  /// Files that each earlier schema's version wrote (scripts/fixtures/schema_file.py). Words were in
  /// SQLite's own full text in schema 1.
  @Test(arguments: 1..<Schema.version)
  func databasesOfEarlierSchemasAreBroughtForward(version: Int) async throws {
    let directory = try TemporaryDirectory()
    try directory.write(fixture("schema-\(version).sqlite"), to: "martlet.sqlite")
    #expect(try StoreDatabase.version(ofFile: directory.database) == version)
    let embedder = FakeEmbedder(
      name: "all-MiniLM-L6-v2", dimension: 384,
      weightHash: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db")
    let store = try await openStore(in: directory, embedder: embedder)
    #expect(store.statistics.documents == 4 && store.statistics.chunks == 3)
    for (query, expected) in [("birds", "birds"), ("模型", "models"), ("GPT-4", "codes")] {
      var request = RetrievalRequest(.query(query))
      request.mode = .sparse
      #expect(try await store.retrieve(request).results[0].map(\.documentID) == [expected])
    }
    #expect(try await store.document("birds", in: "default").metadata["n"] == 1)
    _ = try await store.putDocuments([DocumentInput(id: "a", text: "more birds")], in: "default")
    let tables = try await store.database.read { database in
      try Int.fetchOne(
        database, sql: "SELECT count(*) FROM sqlite_master WHERE name LIKE 'fulltext%'")
    }
    #expect(tables == 0)
    #expect(try StoreDatabase.version(ofFile: directory.database) == Schema.version)
    // All tables are those of a file that is made today.
    let fresh = try await openStore(in: try TemporaryDirectory())
    #expect(try await columns(store) == columns(fresh))
    let problems = try await store.database.read { try $0.integrityProblems() }
    #expect(problems == [])
    // A backup from before the migration is restored and brought forward as well.
    let files = try TemporaryDirectory()
    try files.write(fixture("schema-\(version).sqlite"), to: "backup")
    let copy = try DatabaseCopy.restore(
      files.path + "/backup", dataDirectory: files.path + "/data", replacing: false)
    #expect(copy.documents == 4 && copy.chunks == 3)
  }

  /// Every column of every table, in any order.
  private func columns(_ store: DocumentStore) async throws -> Set<String> {
    try await store.database.read { database in
      Set(
        try String.fetchAll(
          database,
          sql: """
            SELECT tables.name || '.' || columns.name || ' ' || columns.type || columns."notnull"
            FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns
            WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite_%'
            """))
    }
  }

  private func fixture(_ name: String) throws -> [UInt8] {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Fixtures/retrieval/\(name)")
    return [UInt8](try Data(contentsOf: file))
  }

  private func filled() async throws -> TemporaryDirectory {
    let directory = try TemporaryDirectory()
    let store = try await openStore(in: directory)
    let documents = (0..<30).map { number in
      DocumentInput(id: "\(number)", text: "document number \(number) 模型", metadata: ["n": 1])
    }
    _ = try await store.putDocuments(documents, in: "default")
    try await store.close()
    return directory
  }

  /// Damaged files are refused or read, but never crash, whatever is then done with them.
  @Test func damagedFilesNeverCrash() async throws {
    let bytes = try await filled().read("martlet.sqlite")
    var random = SeededRandom(seed: 42)
    var opened = 0
    for round in 0..<80 {
      var damaged = bytes
      for _ in 0..<Int.random(in: 1...(round % 4 == 0 ? 200 : 12), using: &random) {
        let position = Int.random(in: (round % 8 == 0 ? 0 : 100)..<bytes.count, using: &random)
        damaged[position] = UInt8.random(in: 0...255, using: &random)
      }
      if round % 10 == 9 { damaged.removeLast(Int.random(in: 1..<bytes.count, using: &random)) }
      let directory = try TemporaryDirectory()
      try directory.write(damaged, to: "martlet.sqlite")
      if let store = try? await openStore(in: directory) {
        opened += 1
        await exercise(store)
      }
    }
    #expect(opened > 5, "some damage must get past opening")
  }

  private func exercise(_ store: DocumentStore) async {
    _ = try? await store.collections()
    _ = try? await store.documents(in: "default")
    for id in ["0", "7", "29"] {
      _ = try? await store.document(id, in: "default")
      _ = try? await store.patchDocument(id, metadata: ["x": 1], in: "default")
    }
    for mode in RetrievalMode.allCases {
      var request = RetrievalRequest(.query("document number 3 模型"))
      request.mode = mode
      _ = try? await store.retrieve(request)
    }
    let new = [DocumentInput(id: "7", text: "changed text"), DocumentInput(id: "new", text: "new")]
    _ = try? await store.putDocuments(new, in: "default")
    try? await store.deleteDocument("3", in: "default")
    _ = try? await store.deleteDocuments(
      matching: .comparison(.eq, key: "n", value: 1), in: "default")
    try? await store.deleteCollection("default")
  }
}
