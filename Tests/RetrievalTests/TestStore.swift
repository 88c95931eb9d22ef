// A data directory of its own for each test, and a store in it.

import Compute
import Documents
import FoundationEssentials
import JSON

@testable import Retrieval

/// A directory that goes away with the last reference to it.
final class TemporaryDirectory: Sendable {
  let path: String

  init() throws {
    let url = FileManager.default.temporaryDirectory
      .appendingPathComponent("martlet-retrieval-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.resolvingSymlinksInPath().path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  var database: String { path + "/martlet.sqlite" }

  func read(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: path + "/" + name)))
  }

  func write(_ bytes: [UInt8], to name: String) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: path + "/" + name))
  }
}

/// One pool for all tests: starting threads for each would be most of their time.
let sharedPool = ThreadPool(threads: 2, niceness: 0)

func openStore(
  in directory: TemporaryDirectory, embedder: (any Embedder)? = FakeEmbedder(),
  busyTimeoutSeconds: Double = 5, keepsVectorsOnDisk: Bool = false
) async throws -> DocumentStore {
  let configuration = DocumentStoreConfiguration(
    dataDirectory: directory.path, holder: "http://127.0.0.1:8080",
    busyTimeoutSeconds: busyTimeoutSeconds, embeddingBatchSize: 3,
    keepsVectorsOnDisk: keepsVectorsOnDisk)
  return try await DocumentStore.open(configuration, embedder: embedder, pool: sharedPool)
}

/// A store with a directory of its own.
struct TestStore {
  let directory: TemporaryDirectory
  let store: DocumentStore
  let embedder: FakeEmbedder

  init(embedder: FakeEmbedder = FakeEmbedder()) async throws {
    directory = try TemporaryDirectory()
    self.embedder = embedder
    store = try await openStore(in: directory, embedder: embedder)
  }

  @discardableResult
  func put(_ texts: [String: String], in collection: String = "default") async throws
    -> IngestResult
  {
    let documents = texts.sorted { $0.key < $1.key }
      .map { DocumentInput(id: $0.key, text: $0.value) }
    return try await store.putDocuments(documents, in: collection)
  }

  func search(
    _ query: String, mode: RetrievalMode = .hybrid, topK: Int = 4,
    _ change: (inout RetrievalRequest) -> Void = { _ in }
  ) async throws -> [RetrievedChunk] {
    var request = RetrievalRequest(.query(query))
    request.mode = mode
    request.topK = topK
    change(&request)
    return try await store.retrieve(request).results[0]
  }
}

func json(_ text: String) throws -> JSONValue { try JSONValue(parsing: text) }

/// The error that a call throws, as far as it is one of this module.
func asyncRefusal(_ body: () async throws -> Void) async -> RetrievalError? {
  do {
    try await body()
    return nil
  } catch {
    return error as? RetrievalError
  }
}

func refusal(_ body: () throws -> Void) -> RetrievalError? {
  do {
    try body()
    return nil
  } catch {
    return error as? RetrievalError
  }
}
