// What is searched in memory of one collection: a row per chunk with its vector and its words, in the
// order of chunk ids, and the metadata of documents for filters. A value: readers search a copy,
// which stays what it was. Deleted rows are marked and swept once they are the larger part.
// Relies on changes arriving in the order of their commits.

import Compute
import JSON
import SearchIndex

/// A document in memory. Its chunks are consecutive rows.
struct IndexedDocument: Sendable {
  /// In the database.
  var rowID: Int64
  var name: String
  var metadata: JSONObject
  var rows: Range<Int>
}

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
  /// Per row, an index into `documents`.
  private(set) var documentSlots: [Int] = []
  private(set) var liveRows = RowBitmap()
  private(set) var liveRowCount = 0
  private(set) var words = LexicalIndex()
  /// nil: deleted.
  private(set) var documents: [IndexedDocument?] = []
  /// Those of `documents`, kept where one was deleted: copies that still have it share the cache.
  private(set) var metadata: [JSONObject] = []
  private(set) var cache = MetadataCache()
  private(set) var documentCount = 0
  /// Rows that came or went since this index was made: only ever grows.
  private(set) var changeCount = 0
  private var slots: [Int64: Int] = [:]

  init(collection: Int64, generation: Int64, metric: Metric, dimension: Int) {
    self.collection = collection
    self.generation = generation
    similarity = Similarity(metric: metric)
    matrix = VectorMatrix(dimension: dimension)
  }

  /// The index of a collection that has no documents yet.
  init(_ record: CollectionRecord) {
    self.init(
      collection: record.id, generation: record.generation, metric: record.settings.metric,
      dimension: record.dimension)
  }

  /// The index that a snapshot holds, with the documents by their ids; nil where those don't fit.
  /// Those are taken out of `known`.
  init?(
    _ record: CollectionRecord, _ saved: SavedIndex, _ known: inout [Int64: IndexChange.Addition]
  ) {
    self.init(record)
    matrix = saved.matrix
    words = saved.words
    chunkIDs = saved.chunkIDs
    liveRows = saved.liveRows
    liveRowCount = liveRows.count
    var first = 0
    while first < rowCount {
      let id = saved.documentIDs[first]
      let isLive = liveRows[first]
      let end =
        saved.documentIDs[first...].indices
        .first { saved.documentIDs[$0] != id || liveRows[$0] != isLive } ?? rowCount
      documentSlots += repeatElement(documents.count, count: end - first)
      if isLive {
        guard let document = known.removeValue(forKey: id) else { return nil }
        append(document, first..<end)
      } else {
        documents.append(nil)
      }
      first = end
    }
  }

  var rowCount: Int { chunkIDs.count }
  var dimension: Int { matrix.dimension }

  func document(ofRow row: Int) -> IndexedDocument? { documents[documentSlots[row]] }

  func contains(_ rowID: Int64) -> Bool { slots[rowID] != nil }

  /// Documents that pass the filter, in the order in which they were stored.
  func documents(matching filter: Filter) -> [IndexedDocument] {
    let predicate = FilterPredicate(filter)
    return documents.compactMap { $0 }.filter { predicate.matches($0.metadata) }
      .sorted { $0.rowID < $1.rowID }
  }

  // MARK: Changing

  mutating func reserve(_ rows: Int) throws(ComputeError) { try matrix.reserve(rows) }

  /// Applies a committed change for whose rows room was reserved; it can't fail.
  mutating func apply(_ change: IndexChange) {
    generation = change.generation
    for rowID in change.removed { remove(rowID) }
    if !change.metadata.isEmpty { cache = MetadataCache() }
    for (rowID, metadata) in change.metadata {
      guard let slot = slots[rowID] else { continue }
      documents[slot]?.metadata = metadata
      self.metadata[slot] = metadata
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
    let slot = documents.count
    let first = rowCount
    for chunk in addition.chunks {
      similarity.prepared(chunk.vector).withUnsafeBufferPointer { matrix.append($0) }
      appendRow(chunk.id, slot)
    }
    append(addition, first..<rowCount)
  }

  private mutating func append(_ addition: IndexChange.Addition, _ rows: Range<Int>) {
    slots[addition.rowID] = documents.count
    documents.append(
      IndexedDocument(
        rowID: addition.rowID, name: addition.name, metadata: addition.metadata, rows: rows))
    metadata.append(addition.metadata)
    documentCount += 1
  }

  private mutating func appendRow(_ chunk: Int64, _ slot: Int) {
    chunkIDs.append(chunk)
    documentSlots.append(slot)
    liveRows.append(true)
    liveRowCount += 1
    changeCount += 1
  }

  private mutating func remove(_ rowID: Int64) {
    guard let slot = slots.removeValue(forKey: rowID), let document = documents[slot] else {
      return
    }
    for row in document.rows where liveRows[row] {
      liveRows[row] = false
      liveRowCount -= 1
      changeCount += 1
    }
    documents[slot] = nil
    documentCount -= 1
  }

  // MARK: Sweeping

  /// Whether more than half of the rows are dead.
  var isWorthSweeping: Bool { rowCount > 2048 && liveRowCount * 2 < rowCount }

  /// The index with its living rows moved together, in their order.
  func swept() throws(ComputeError) -> CollectionIndex {
    var swept = self
    swept.matrix = VectorMatrix(dimension: dimension)
    swept.chunkIDs = []
    swept.documentSlots = []
    swept.liveRows = RowBitmap()
    swept.liveRowCount = 0
    swept.documents = []
    swept.slots = [:]
    swept.metadata = []
    swept.cache = MetadataCache()
    try swept.matrix.reserve(liveRowCount)
    for case var document? in documents {
      let slot = swept.documents.count
      let first = swept.rowCount
      for row in document.rows {
        swept.matrix.append(UnsafeBufferPointer(start: matrix.row(row), count: dimension))
        swept.appendRow(chunkIDs[row], slot)
      }
      document.rows = first..<swept.rowCount
      swept.documents.append(document)
      swept.metadata.append(document.metadata)
      swept.slots[document.rowID] = slot
    }
    swept.setWords(try words.keeping(liveRows))
    // Moved rows are all new to a snapshot.
    swept.changeCount = changeCount + rowCount
    return swept
  }
}
