// What is searched in memory of one collection: a row per chunk with its vector and its words, in the
// order of chunk ids, and the metadata of documents for filters. A value: readers search a copy,
// which stays what it was. Deleted rows are marked and swept once they are the larger part.
// Relies on changes arriving in the order of their commits.

import Compute
import JSON
import SearchIndex

/// What a commit changed in one collection.
struct IndexChange: Sendable {
  struct Chunk: Sendable {
    var id: Int64
    var vector: [Float]
    /// What `words` is made from; empty where those are there already.
    var text = ""
  }

  struct Addition: Sendable {
    var rowID: Int64
    var name: String
    var metadata: JSONObject
    var chunks: [Chunk]
  }

  var collection: Int64
  var generation: Int64
  /// Database ids of documents that are gone or replaced.
  var removed: [Int64] = []
  var added: [Addition] = []
  /// The words of all rows, those of `added` included; nil where nothing was added.
  var words: LexicalIndex?
  var metadata: [(rowID: Int64, metadata: JSONObject)] = []
}

struct CollectionIndex: Sendable {
  let collection: Int64
  let similarity: Similarity
  private(set) var generation: Int64
  private(set) var matrix: VectorMatrix
  private(set) var chunkIDs: [Int64] = []
  private(set) var documents = DocumentTable()
  /// Per row, its document's slot.
  private(set) var documentSlots: [Int] = []
  private(set) var liveRows = RowBitmap()
  private(set) var liveRowCount = 0
  private(set) var words = LexicalIndex()
  private(set) var cache = MetadataCache()
  /// Rows that came or went since this index was made: only ever grows.
  private(set) var changeCount = 0

  init(
    collection: Int64, generation: Int64, metric: Metric, dimension: Int,
    storage: VectorStorage = .memory
  ) {
    self.collection = collection
    self.generation = generation
    similarity = Similarity(metric: metric)
    matrix = VectorMatrix(dimension: dimension, storage: storage)
  }

  /// The index of a collection that has no documents yet.
  init(_ record: CollectionRecord, _ storage: VectorStorage) {
    self.init(
      collection: record.id, generation: record.generation, metric: record.settings.metric,
      dimension: record.dimension, storage: storage)
  }

  /// The index of an earlier state, or of this one, whose parts a snapshot holds; nil where those don't
  /// fit together.
  init?(
    _ record: CollectionRecord, generation: Int64, matrix: VectorMatrix, words: LexicalIndex,
    chunkIDs: [Int64], liveRows: RowBitmap, documents: DocumentTable
  ) {
    let rowCount = chunkIDs.count
    guard matrix.count == rowCount, words.rowCount == rowCount, liveRows.rowCount == rowCount,
      documents.rowEnds.last ?? 0 == rowCount
    else { return nil }
    self.init(record, matrix.storage)
    self.generation = generation
    self.matrix = matrix
    self.words = words
    self.chunkIDs = chunkIDs
    self.liveRows = liveRows
    liveRowCount = liveRows.count
    self.documents = documents
    documentSlots.reserveCapacity(rowCount)
    for slot in 0..<documents.slotCount {
      documentSlots += repeatElement(slot, count: documents.rows(ofSlot: slot).count)
    }
  }

  var rowCount: Int { chunkIDs.count }
  var dimension: Int { matrix.dimension }
  var documentCount: Int { documents.count }

  func document(ofRow row: Int) -> IndexedDocument? { documents[documentSlots[row]] }

  /// Database ids of the documents that pass the filter, in the order in which they were stored.
  func documents(matching filter: Filter) -> [Int64] {
    let predicate = FilterPredicate(filter)
    var found: [Int64] = []
    var slot = 0
    documents.forEachMetadata(in: 0..<documents.slotCount) { metadata in
      let id = documents.rowIDs[slot]
      if id != 0, predicate.matches(metadata) { found.append(id) }
      slot += 1
    }
    return found.sorted()
  }

  // MARK: Changing

  mutating func reserve(_ rows: Int) throws(ComputeError) { try matrix.reserve(rows) }

  /// Applies a committed change for whose rows room was reserved; it can't fail.
  mutating func apply(_ change: IndexChange) {
    generation = change.generation
    for rowID in change.removed { remove(rowID) }
    if !change.metadata.isEmpty {
      let slots = documents.setMetadata(change.metadata)
      cache = cache.changing(slots, of: documents)
    }
    for addition in change.added { append(addition) }
    if let words = change.words { setWords(words) }
  }

  /// The words of all rows, once those rows are there.
  mutating func setWords(_ words: LexicalIndex) {
    precondition(words.rowCount == rowCount)
    self.words = words
  }

  mutating func append(_ addition: IndexChange.Addition) {
    let slot = documents.slotCount
    for chunk in addition.chunks {
      similarity.prepared(chunk.vector).withUnsafeBufferPointer { matrix.append($0) }
      appendRow(chunk.id, slot)
    }
    documents.append(
      addition.rowID, name: addition.name, metadata: addition.metadata,
      rowCount: addition.chunks.count)
  }

  private mutating func appendRow(_ chunk: Int64, _ slot: Int) {
    chunkIDs.append(chunk)
    documentSlots.append(slot)
    liveRows.append(true)
    liveRowCount += 1
    changeCount += 1
  }

  private mutating func remove(_ rowID: Int64) {
    for row in documents.remove(rowID) ?? 0..<0 where liveRows[row] {
      liveRows[row] = false
      liveRowCount -= 1
      changeCount += 1
    }
  }

  // MARK: Sweeping

  /// Puts metadata that have changed into their places.
  mutating func gatherMetadata() { documents = documents.gathered() }

  /// Whether more than half of the rows are dead.
  var isWorthSweeping: Bool { rowCount > 2048 && liveRowCount * 2 < rowCount }

  /// The index with its living rows moved together, in their order.
  func swept() throws(ComputeError) -> CollectionIndex {
    var swept = self
    swept.matrix = VectorMatrix(dimension: dimension, storage: matrix.storage)
    swept.chunkIDs = []
    swept.documentSlots = []
    swept.liveRows = RowBitmap()
    swept.liveRowCount = 0
    swept.documents = documents.swept()
    swept.cache = MetadataCache()
    try swept.matrix.reserve(liveRowCount)
    var slot = 0
    for old in documents.rowIDs.indices where documents.rowIDs[old] != 0 {
      for row in documents.rows(ofSlot: old) {
        swept.matrix.append(UnsafeBufferPointer(start: matrix.row(row), count: dimension))
        swept.appendRow(chunkIDs[row], slot)
      }
      slot += 1
    }
    swept.setWords(try words.keeping(liveRows))
    // Moved rows are all new to a snapshot.
    swept.changeCount = changeCount + rowCount
    return swept
  }
}
