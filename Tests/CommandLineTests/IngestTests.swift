// Which files are read, what is told of changes in folders, and which documents are removed.

import Documents
import FoundationEssentials
import HTTPTypes
import JSON
import Synchronization
import Testing

@testable import martlet

@Suite struct IngestTests {
  /// A folder that goes away with the test.
  final class Folder: Sendable {
    let path: String

    init() throws {
      let url = FileManager.default.temporaryDirectory
        .appendingPathComponent("martlet-ingest-\(UUID().uuidString)")
      try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
      path = url.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ text: String, to name: String) throws {
      let url = URL(fileURLWithPath: path + "/" + name)
      try FileManager.default.createDirectory(
        at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: url)
    }
  }

  private func names(_ selection: PathSelection, _ folder: Folder) throws -> [String] {
    try selection.files().map { String($0.dropFirst(folder.path.count + 1)) }
  }

  @Test func foldersAreRead() throws {
    let folder = try Folder()
    for name in ["b.md", "a.txt", "c.bin", ".hidden.md", ".git/x.txt", "sub/d.md", "drafts/e.md"] {
      try folder.write("x", to: name)
    }
    func select(_ include: [String] = [], _ exclude: [String] = []) throws -> [String] {
      try names(
        PathSelection(paths: [folder.path + "/"], include: include, exclude: exclude), folder)
    }
    #expect(try select() == ["a.txt", "b.md", "drafts/e.md", "sub/d.md"])
    #expect(try select(["*.md"]) == ["b.md", "drafts/e.md", "sub/d.md"])
    #expect(try select([], ["drafts", "*.txt"]) == ["b.md", "sub/d.md"])
    #expect(try select(["sub/**"]) == ["sub/d.md"])
    func others(_ exclude: [String] = []) -> [String] {
      PathSelection(paths: [folder.path], include: [], exclude: exclude).otherFiles()
    }
    #expect(others() == [folder.path + "/c.bin"] && others(["*.bin"]) == [])
    // Named files are read whatever they are called.
    let named = PathSelection(paths: [folder.path + "/c.bin"], include: [], exclude: [])
    #expect(try names(named, folder) == ["c.bin"])
    let missing = PathSelection(paths: [folder.path + "/none"], include: [], exclude: [])
    #expect(throws: CommandFailure.self) { try missing.files() }
  }

  @Test func changedPathsAreLookedAtAgain() throws {
    let folder = try Folder()
    try folder.write("x", to: "sub/a.md")
    try folder.write("x", to: "sub/b.bin")
    let selection = PathSelection(paths: [folder.path], include: [], exclude: ["no.md"])
    #expect(selection.files(at: folder.path + "/sub") == [folder.path + "/sub/a.md"])
    #expect(selection.files(at: folder.path + "/sub/a.md") == [folder.path + "/sub/a.md"])
    for name in ["/sub/b.bin", "/gone.md", "/no.md", "/../other.md"] {
      #expect(selection.files(at: folder.path + name) == [])
    }
  }

  @Test func listsOfPages() throws {
    let folder = try Folder()
    try folder.write("# ours\r\nhttp://a/b\n\n  https://c/d#e  the second\n", to: "urls")
    #expect(try WebPages.list(folder.path + "/urls") == ["http://a/b", "https://c/d#e"])
    #expect(throws: CommandFailure.self) { try WebPages.list(folder.path + "/none") }
  }

  // MARK: Watching

  @Test(.timeLimit(.minutes(1))) func changesAreTold() async throws {
    let folder = try Folder()
    try folder.write("x", to: "sub/a.md")
    let watcher = try FolderWatcher(folders: [folder.path])
    var iterator = watcher.changes.makeAsyncIterator()
    func next(_ wanted: String) async -> Bool {
      while let changes = await iterator.next() {
        if changes.contains(folder.path + "/" + wanted) { return true }
      }
      return false
    }
    try folder.write("changed", to: "sub/a.md")
    #expect(await next("sub/a.md"))
    // As editors save: written aside, then renamed.
    try folder.write("renamed", to: ".new")
    try FileManager.default.moveItem(
      atPath: folder.path + "/.new", toPath: folder.path + "/b.md")
    #expect(await next("b.md"))
    // A folder that comes later is watched as well.
    try folder.write("x", to: "later/deep/c.md")
    #expect(await next("later"))
    try folder.write("y", to: "later/deep/c.md")
    #expect(await next("later/deep/c.md"))
    try FileManager.default.removeItem(atPath: folder.path + "/sub/a.md")
    #expect(await next("sub/a.md"))
    watcher.stop()
    while await iterator.next() != nil {}
  }

  @Test func foldersThatAreMissingCanNotBeWatched() {
    #expect(throws: CommandFailure.self) { try FolderWatcher(folders: ["/nonexistent/folder"]) }
  }

  // MARK: Storing

  /// Keeps what would be stored, by id.
  private final class FakeAPI: APIClient {
    let stored = Mutex<[String: JSONValue]>([:])
    let posts = Mutex<[String]>([])
    let made = Mutex<[String]>([])
    private let lastAnswer = Mutex(JSONValue.null)

    func call(_ method: HTTPRequest.Method, _ path: String, _ body: JSONValue?) async throws
      -> JSONValue
    {
      if path.hasPrefix("/jobs/") { return ["result": lastAnswer.withLock { $0 }] }
      switch method {
      case .post:
        posts.withLock { $0.append(path) }
        let documents = body?.array ?? []
        stored.withLock { stored in
          for document in documents { stored[document["id"]?.string ?? ""] = document }
        }
        let answer: JSONValue = [
          "id": "job", "documents": .integer(Int64(documents.count)), "chunks": 1,
        ]
        lastAnswer.withLock { $0 = answer }
        return answer
      case .put:
        made.withLock { $0.append(path) }
        return [:]
      case .get where path == "/collections":
        return ["collections": [["name": "default"]]]
      case .delete:
        let ids = body?["ids"]?.array?.compactMap(\.string) ?? []
        let gone = stored.withLock { stored in
          ids.filter {
            stored[$0]?["source"] == body?["source"] && stored.removeValue(forKey: $0) != nil
          }
        }
        return ["deleted": .integer(Int64(gone.count))]
      default:
        let wanted = path.split(separator: "&").first { $0.hasPrefix("source=") }
          .flatMap { String($0.dropFirst("source=".count)).removingPercentEncoding }
        let all = stored.withLock { $0.values.sorted { "\($0)" < "\($1)" } }
          .filter { wanted == nil || $0["source"]?.string == wanted }
        return ["documents": .array(all), "next": .null]
      }
    }

    func stream(
      _ path: String, _ body: JSONValue,
      _ take: @escaping @Sendable (JSONValue) async throws -> Void
    ) async throws {}

    func follow(
      _ path: String, _ take: @escaping @Sendable (JSONValue) async throws -> Void
    ) async throws {}

    func close() async {}

    var ids: [String] { stored.withLock { $0.keys.sorted() } }
  }

  private func document(_ id: String?, _ file: String) -> DocumentInput {
    DocumentInput(id: id, text: "text", metadata: ["path": .string(file)])
  }

  @Test(arguments: [false, true])
  func documentsThatAFileNoLongerHoldsAreRemoved(knowsAll: Bool) async throws {
    let api = FakeAPI()
    let first = try Ingestion(api, collection: "c", isQuiet: true)
    await first.store(file: "f/a.json") {
      [self.document(nil, "f/a.json"), self.document("文/b", "f/a.json")]
    }
    // One of another file's documents says by its metadata that it belongs to the first.
    await first.store(file: "f/b.csv") { [self.document("b#1", "f/a.json")] }
    await first.store("stdin") { [self.document("stdin", "f/a.json")] }
    #expect(api.ids == ["b#1", "f/a.json#1", "stdin", "文/b"])
    // Another run learns what is there: of every source with --watch, else of each in its turn.
    let second = try Ingestion(api, collection: "c", isQuiet: true)
    if knowsAll { try await second.learnKnown() }
    await second.store(file: "./f/../f/a.json") { [self.document("f/a.json#1", "f/a.json")] }
    #expect(api.ids == ["b#1", "f/a.json#1", "stdin"])
    await second.store(file: "f/b.csv") { throw CommandFailure.failure("no") }
    #expect(api.ids == ["b#1", "f/a.json#1", "stdin"])
    #expect(await second.totals.removed == 1)
    guard knowsAll else { return }
    await second.forget(at: "f")
    #expect(api.ids == ["stdin"])
    #expect(await second.totals.failures == 1)
  }

  /// A file that is there may be left out by now, and its documents are still its own.
  @Test func onlyWhatIsGoneIsForgotten() async throws {
    let (api, folder) = (FakeAPI(), try Folder())
    for name in ["sub/a.md", "b.pdf"] { try folder.write("x", to: name) }
    let ingestion = try Ingestion(api, collection: "c", isQuiet: true)
    try await ingestion.learnKnown()
    for name in ["sub/a.md", "b.pdf", "gone.md"] {
      await ingestion.store(file: folder.path + "/" + name) { [self.document(name, name)] }
    }
    await ingestion.forget(at: folder.path)
    #expect(api.ids == ["b.pdf", "sub/a.md"])
  }

  @Test(arguments: [false, true])
  func documentsThatAnotherFileTookOverStay(knowsAll: Bool) async throws {
    let api = FakeAPI()
    let ingestion = try Ingestion(api, collection: "c", isQuiet: true)
    if knowsAll { try await ingestion.learnKnown() }
    await ingestion.store(file: "f/a.json") { [self.document("1", "a"), self.document("2", "a")] }
    await ingestion.store(file: "f/b.json") { [self.document("1", "b")] }
    await ingestion.store(file: "f/a.json") { [self.document("2", "a")] }
    #expect(api.ids == ["1", "2"])
    await ingestion.store(file: "f/a.json") { [self.document("3", "a")] }
    #expect(api.ids == ["1", "3"])
  }

  @Test func manyDocumentsAreRemovedInParts() async throws {
    let api = FakeAPI()
    for count in [1200, 10] {
      let ingestion = try Ingestion(api, collection: "c", isQuiet: true)
      await ingestion.store(file: "rows.csv") {
        (0..<count).map { self.document("\($0)", "rows.csv") }
      }
      #expect(api.ids.count == count)
    }
  }

  /// One id for all that is ever piped in would have each replace the one before.
  @Test func standardInputHasTheIDThatItIsGiven() throws {
    #expect(try IngestCommand.parse(["-"]).source.standardInput.id == nil)
    let named = try IngestCommand.parse(["-", "--type", "text/html", "--id", "notes"]).source
    #expect(named.standardInput.id == "notes" && named.standardInput.contentType == "text/html")
  }

  @Test func missingCollectionsAreMade() async throws {
    let api = FakeAPI()
    for name in ["default", "notes", "odd?/name"] {
      try await Ingestion(api, collection: name, isQuiet: true).makeCollection()
    }
    #expect(
      api.made.withLock { $0 } == ["/collections/notes", "/collections/odd%3F%2Fname"])
  }

  @Test func whyAFileCanNotBeReadIsSaid() throws {
    let folder = try Folder()
    let reading = FileReading(fields: nil, charset: nil)
    for (name, reason) in [
      ("/gone.txt", "No such file"), ("", "not a file"), ("/a\u{FFFD}.txt", "not UTF-8"),
    ] {
      let failure = #expect(throws: CommandFailure.self) {
        try reading.documents(in: folder.path + name)
      }
      #expect(failure?.message.contains(reason) == true, "\(String(describing: failure))")
    }
  }

  @Test func largeSourcesAreSentInParts() async throws {
    let api = FakeAPI()
    let ingestion = try Ingestion(api, collection: "c", isQuiet: true)
    await ingestion.store("many") { (0..<1200).map { self.document("\($0)", "many") } }
    let posts = api.posts.withLock { $0 }
    #expect(posts == Array(repeating: "/collections/c/documents?wait=false", count: 3))
    #expect(await ingestion.totals.documents == 1200)
    await ingestion.store("broken") { throw CommandFailure.failure("no") }
    #expect(await ingestion.totals.failures == 1)
  }
}
