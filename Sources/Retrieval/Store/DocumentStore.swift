// The facade of this module: collections, documents and searches over one data directory.
// SQLite is the truth; the indexes in memory are made from it at start and follow every commit.
// Functions throw RetrievalError, CancellationError, or what the embedder threw.
// Nothing here blocks Swift's cooperative pool: SQLite and searches run on GRDB's queues, chunking
// and extraction on threads of their own.

package import Compute
package import Documents
import GRDB
import Glibc
import SearchIndex
import Synchronization

package struct DocumentStoreConfiguration: Sendable, Hashable {
  package var dataDirectory: String
  /// What another process is told when it finds the directory in use.
  package var holder: String
  /// How long to wait for another program's lock on the file.
  package var busyTimeoutSeconds: Double
  /// Texts per call of the embedder.
  package var embeddingBatchSize: Int
  /// Leaves vectors' float32 values to files in the data directory.
  package var keepsVectorsOnDisk: Bool

  package init(
    dataDirectory: String, holder: String = "martlet", busyTimeoutSeconds: Double = 5,
    embeddingBatchSize: Int = 32, keepsVectorsOnDisk: Bool = false
  ) {
    self.dataDirectory = dataDirectory
    self.holder = holder
    self.busyTimeoutSeconds = busyTimeoutSeconds
    self.embeddingBatchSize = embeddingBatchSize
    self.keepsVectorsOnDisk = keepsVectorsOnDisk
  }
}

package struct DocumentStoreStatistics: Sendable, Hashable {
  package var collections: Int
  package var documents: Int
  package var chunks: Int
  /// Memory of the vector indexes.
  package var vectorByteCount: Int
  /// The database file with its write-ahead log.
  package var databaseByteCount: Int
}

package final class DocumentStore: Sendable {
  package static let defaultCollection = "default"

  let configuration: DocumentStoreConfiguration
  let directory: DataDirectory
  let database: StoreDatabase
  let embedder: (any Embedder)?
  let reranker: (any Reranker)?
  let pool: ThreadPool
  let chunkingThread: ComputeThread
  let extractionThread: ComputeThread
  let indexes: IndexCatalog
  let snapshots: IndexSnapshots
  private let snapshotWriter: SnapshotWriter
  /// Collections that are being reindexed.
  let reindexing = Mutex<Set<String>>([])

  /// Claims the data directory, opens or makes the database and loads the indexes.
  /// - Parameters:
  ///   - directory: the data directory where it is claimed already
  ///   - report: told what went wrong in the background, where no request can be told
  package static func open(
    _ configuration: DocumentStoreConfiguration, in directory: DataDirectory? = nil,
    embedder: (any Embedder)?, reranker: (any Reranker)? = nil, pool: ThreadPool,
    report: @escaping @Sendable (String) -> Void = { _ in }
  ) async throws -> DocumentStore {
    let thread = try ComputeThread(name: "chunking", niceness: 19)
    return try await thread.perform {
      try DocumentStore(configuration, directory, embedder, reranker, pool, thread, report)
    }
  }

  private init(
    _ configuration: DocumentStoreConfiguration, _ claimed: DataDirectory?,
    _ embedder: (any Embedder)?, _ reranker: (any Reranker)?, _ pool: ThreadPool,
    _ thread: ComputeThread,
    _ report: @escaping @Sendable (String) -> Void
  ) throws {
    self.configuration = configuration
    self.embedder = embedder
    self.reranker = reranker
    self.pool = pool
    chunkingThread = thread
    extractionThread = try ComputeThread(name: "extraction", niceness: 19)
    directory =
      try claimed
      ?? DataDirectory(claiming: configuration.dataDirectory, holder: configuration.holder)
    database = try StoreDatabase(
      path: directory.databasePath, busyTimeoutSeconds: configuration.busyTimeoutSeconds)
    let storage: VectorStorage =
      configuration.keepsVectorsOnDisk ? .disk(folder: directory.path) : .memory
    indexes = IndexCatalog(storage: storage)
    snapshots = IndexSnapshots(dataDirectory: directory.path, storage: storage, pool: pool)
    // Written beside requests, which need the pool's threads more.
    snapshotWriter = try SnapshotWriter(
      indexes, database,
      IndexSnapshots(
        dataDirectory: directory.path, storage: storage, pool: ThreadPool(threads: 1)),
      report: report)
    for record in try prepareCollections() {
      let loader = IndexLoader(record: record, snapshots: snapshots, pool: pool)
      let (index, saved) = try database.readNow { try loader.load($0) }
      indexes.set(index)
      snapshotWriter.start(index, from: saved)
      if let stored = record.embedding, let loaded = embedder?.identity,
        index.documentCount > 0, !record.isHidden, !stored.isCompatible(with: loaded)
      {
        let mismatch = RetrievalError.embeddingModelMismatch(
          collection: record.name, stored: stored, loaded: loaded)
        report("\(mismatch)")
      }
    }
    snapshotWriter.run()
  }

  /// All collections, the default one made where it is missing.
  private func prepareCollections() throws -> [CollectionRecord] {
    let (identity, defaults) = (embedder?.identity, freshSettings)
    return try database.writeNow { database in
      try Self.interruptJobs(database)
      if try CollectionRecord.find(Self.defaultCollection, database) == nil {
        _ = try CollectionRecord.insert(
          name: Self.defaultCollection, settings: defaults, embedding: identity,
          now: Self.now(), database)
      }
      return try CollectionRecord.all(database)
    }
  }

  /// Writes snapshots of the indexes, and the log back into the file. The store can't be used
  /// afterwards; the directory stays claimed until the last reference is gone.
  package func close() async throws {
    await snapshotWriter.finish()
    try await chunkingThread.perform { [database] in try database.close() }
  }

  /// Writes snapshots of the indexes that have changed much, as is done every now and then.
  func writeSnapshots() async { await snapshotWriter.writeDue() }

  /// What an extractor makes of a source.
  package func documents(from source: DocumentSource) async throws -> [DocumentInput] {
    try await extractionThread.perform { try Extractors.documents(from: source) }
  }

  package var embeddingIdentity: EmbedderIdentity? { embedder?.identity }

  package var statistics: DocumentStoreStatistics {
    let totals = indexes.totals
    let path = database.path
    return DocumentStoreStatistics(
      collections: totals.collections, documents: totals.documents, chunks: totals.chunks,
      vectorByteCount: totals.vectorBytes,
      databaseByteCount: FileSize.bytes(path) + FileSize.bytes(path + "-wal"))
  }

  /// Unix seconds.
  static func now() -> Int { Int(time(nil)) }
}
