// Snapshots of collections' indexes in `<data>/indexes`, so that opening needn't read every chunk. One
// is taken only for the very generation of the collection that it was made from, and the index is made
// anew from the database otherwise: the files can be deleted at any time.
// Sections: counts; chunk ids; document ids; values and codes of the vectors; words.

import Compute
import Glibc
import SearchIndex

/// A collection's index as a snapshot holds it: rows in the order of chunk ids, all alive.
struct SavedIndex {
  var chunkIDs: [Int64]
  var documentIDs: [Int64]
  var matrix: VectorMatrix
  var words: LexicalIndex
}

struct IndexSnapshots: Sendable {
  /// Of what a snapshot doesn't hold.
  let storage: VectorStorage
  private let folder: String
  private let pool: ThreadPool

  init(dataDirectory: String, storage: VectorStorage, pool: ThreadPool) {
    self.storage = storage
    folder = dataDirectory + "/indexes"
    self.pool = pool
  }

  /// The snapshot if there is a current one; one that is of no use any more is removed.
  func load(_ record: CollectionRecord) -> SavedIndex? {
    let saved = read(record)
    if saved == nil { remove(record.id) }
    return saved
  }

  private func read(_ record: CollectionRecord) -> SavedIndex? {
    guard
      let file = SnapshotFile(
        path: path(record.id), identity: Self.identity(of: record), pool: pool),
      let counts = file.integers(section: 0, count: 2),
      let chunkIDs = file.integers(section: 1, count: Int(counts[0])),
      let documentIDs = file.integers(section: 2, count: Int(counts[0])),
      let matrix = VectorMatrix(
        file, firstSection: 3, count: chunkIDs.count, dimension: record.dimension,
        storage: storage, pool: pool),
      let words = LexicalIndex(file, firstSection: Int(counts[1])),
      words.rowCount == chunkIDs.count
    else { return nil }
    return SavedIndex(
      chunkIDs: chunkIDs, documentIDs: documentIDs, matrix: matrix, words: words)
  }

  /// Writes a snapshot unless there is a current one. Where that can't be done, the next start takes
  /// longer and nothing else is lost.
  func save(_ index: CollectionIndex, _ record: CollectionRecord) {
    let (path, identity) = (path(record.id), Self.identity(of: record))
    guard index.generation == record.generation, index.liveRowCount > 0,
      !SnapshotFile.exists(path: path, identity: identity),
      let index = index.liveRowCount == index.rowCount ? index : try? index.swept()
    else { return }
    mkdir(folder, 0o755)
    let documentIDs = index.documentSlots.map { index.documents[$0]?.rowID ?? 0 }
    _ = index.matrix.withSections { vectors in
      index.words.withSections { words in
        let counts = [Int64(index.rowCount), Int64(3 + vectors.count)]
        return SnapshotFile.withSections([counts, index.chunkIDs, documentIDs]) { integers in
          SnapshotFile.write(integers + vectors + words, identity: identity, to: path, pool)
        }
      }
    }
  }

  func remove(_ collection: Int64) { unlink(path(collection)) }

  private func path(_ collection: Int64) -> String { "\(folder)/\(collection).index" }

  /// All that decides on a snapshot's contents.
  private static func identity(of record: CollectionRecord) -> String {
    let settings = record.settings
    return """
      vectors \(VectorMatrix.version) \(record.dimension) \(settings.metric) \
      words \(LexicalIndex.version) \(settings.language) \
      collection \(record.id) \(record.generation)
      """
  }
}
