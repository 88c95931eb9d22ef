// The indexes of all collections, by their id in the database. Readers take a copy of the latest
// published one; only the database's writer, inside its own turn, changes them.

import Compute
import SearchIndex
import Synchronization

final class IndexCatalog: Sendable {
  /// Of vectors that come.
  let storage: VectorStorage
  private let indexes = Mutex<[Int64: CollectionIndex]>([:])

  init(storage: VectorStorage) { self.storage = storage }

  /// Takes in a collection that has no documents.
  func setEmpty(_ record: CollectionRecord) { set(CollectionIndex(record, storage)) }

  func current(_ collection: Int64) -> CollectionIndex? {
    indexes.withLock { $0[collection] }
  }

  var all: [CollectionIndex] { indexes.withLock { Array($0.values) } }

  func set(_ index: CollectionIndex) {
    indexes.withLock { $0[index.collection] = index }
  }

  func remove(_ collection: Int64) {
    indexes.withLock { _ = $0.removeValue(forKey: collection) }
  }

  /// Before a commit: makes sure that publishing it can't run out of memory.
  func reserve(_ rows: Int, in collection: Int64) throws(ComputeError) {
    // In the catalog's own copy: growing it doesn't change what readers see.
    let result = indexes.withLock { indexes -> Result<Void, ComputeError> in
      Result { () throws(ComputeError) in try indexes[collection]?.reserve(rows) }
    }
    try result.get()
  }

  func apply(_ change: IndexChange) {
    let index = indexes.withLock { indexes in
      indexes[change.collection]?.apply(change)
      return indexes[change.collection]
    }
    guard var index else { return }
    // Outside of the lock, so that no reader waits for it. Where there is no memory for it, dead rows
    // stay: they cost time and nothing else.
    if index.isWorthSweeping, let swept = try? index.swept() {
      set(swept)
    } else if index.documents.isScattered {
      index.gatherMetadata()
      set(index)
    }
  }

  var totals: (collections: Int, documents: Int, chunks: Int, vectorBytes: Int) {
    indexes.withLock { indexes in
      indexes.values.reduce(into: (indexes.count, 0, 0, 0)) { totals, index in
        totals.1 += index.documentCount
        totals.2 += index.liveRowCount
        totals.3 += index.matrix.byteCount
      }
    }
  }
}
