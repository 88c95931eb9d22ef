// The facade of this module: collections, documents and searches over one data directory.
// SQLite is the truth; the indexes in memory are made from it at start and follow every commit.
// Functions throw RetrievalError, CancellationError, or what the embedder threw.
// Nothing here blocks Swift's cooperative pool: SQLite and searches run on GRDB's queues, chunking
// on a thread of its own.

package import Compute
import GRDB
import Glibc
import SearchIndex

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
  let pool: ThreadPool
  let chunkingThread: ComputeThread
  let indexes: IndexCatalog
  let snapshots: IndexSnapshots

  /// Claims the data directory, opens or makes the database and loads the indexes.
  package static func open(
    _ configuration: DocumentStoreConfiguration, embedder: (any Embedder)?, pool: ThreadPool
  ) async throws -> DocumentStore {
    let thread = try ComputeThread(name: "chunking", niceness: 19)
    return try await thread.perform {
      try DocumentStore(configuration, embedder, pool, thread)
    }
  }

  private init(
    _ configuration: DocumentStoreConfiguration, _ embedder: (any Embedder)?, _ pool: ThreadPool,
    _ thread: ComputeThread
  ) throws {
    self.configuration = configuration
    self.embedder = embedder
    self.pool = pool
    chunkingThread = thread
    directory = try DataDirectory(
      claiming: configuration.dataDirectory, holder: configuration.holder)
    database = try StoreDatabase(
      path: directory.databasePath, busyTimeoutSeconds: configuration.busyTimeoutSeconds)
    let storage: VectorStorage =
      configuration.keepsVectorsOnDisk ? .disk(folder: directory.path) : .memory
    indexes = IndexCatalog(storage: storage)
    snapshots = IndexSnapshots(dataDirectory: directory.path, storage: storage, pool: pool)
    let records = try prepareCollections()
    for record in records {
      let loader = IndexLoader(record: record, snapshots: snapshots, pool: pool)
      indexes.set(try database.readNow { try loader.load($0) })
    }
  }

  /// All collections, the default one made where it is missing.
  private func prepareCollections() throws -> [CollectionRecord] {
    let identity = embedder?.identity
    return try database.writeNow { database in
      if try CollectionRecord.find(Self.defaultCollection, database) == nil {
        _ = try CollectionRecord.insert(
          name: Self.defaultCollection, settings: CollectionSettings(), embedding: identity,
          now: Self.now(), database)
      }
      return try CollectionRecord.all(database)
    }
  }

  /// Tells processes that find the directory in use where this one answers.
  package func announce(serverURL: String) {
    directory.announce(serverURL)
  }

  /// Writes the log back into the file, and snapshots of the indexes beside it. The store can't be
  /// used afterwards; the directory stays claimed until the last reference is gone.
  package func close() async throws {
    try await chunkingThread.perform { [database, indexes, snapshots] in
      let records = try database.readNow { try CollectionRecord.all($0) }
      try database.close()
      for record in records {
        if let index = indexes.current(record.id) { snapshots.save(index, record) }
      }
    }
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
