// What is searched in memory of one collection: a row per chunk with its vector, in the order of
// chunk ids, and the metadata of documents for filters. A value: readers search a copy, which stays
// what it was. Deleted rows are marked and swept once they are the larger part.
// Relies on changes arriving in the order of their commits.

import Compute
import JSON

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
  struct Addition: Sendable {
    var rowID: Int64
    var name: String
    var metadata: JSONObject
    var chunks: [(id: Int64, vector: [Float])]
  }

  var collection: Int64
  var generation: Int64
  /// Database ids of documents that are gone or replaced.
  var removed: [Int64] = []
  var added: [Addition] = []
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
  private(set) var liveRows: [Bool] = []
  private(set) var liveRowCount = 0
  /// nil: deleted.
  private(set) var documents: [IndexedDocument?] = []
  private(set) var documentCount = 0
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
      dimension: record.embedding?.dimension ?? 1)
  }

  var rowCount: Int { chunkIDs.count }
  var dimension: Int { matrix.dimension }

  /// The row of a chunk, unless it was deleted. Ids ascend with rows.
  func row(ofChunk id: Int64) -> Int? {
    var low = 0
    var high = chunkIDs.count
    while low < high {
      let middle = (low + high) / 2
      if chunkIDs[middle] < id { low = middle + 1 } else { high = middle }
    }
    guard low < chunkIDs.count, chunkIDs[low] == id, liveRows[low] else { return nil }
    return low
  }

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
    for (rowID, metadata) in change.metadata {
      if let slot = slots[rowID] { documents[slot]?.metadata = metadata }
    }
    for addition in change.added { append(addition) }
    sweepIfWorthwhile()
  }

  mutating func append(_ addition: IndexChange.Addition) {
    let slot = documents.count
    let first = rowCount
    for chunk in addition.chunks {
      similarity.prepared(chunk.vector).withUnsafeBufferPointer { matrix.append($0) }
      appendRow(chunk.id, slot)
    }
    documents.append(
      IndexedDocument(
        rowID: addition.rowID, name: addition.name, metadata: addition.metadata,
        rows: first..<rowCount))
    documentCount += 1
    slots[addition.rowID] = slot
  }

  private mutating func appendRow(_ chunk: Int64, _ slot: Int) {
    chunkIDs.append(chunk)
    documentSlots.append(slot)
    liveRows.append(true)
    liveRowCount += 1
  }

  private mutating func remove(_ rowID: Int64) {
    guard let slot = slots.removeValue(forKey: rowID), let document = documents[slot] else {
      return
    }
    for row in document.rows where liveRows[row] {
      liveRows[row] = false
      liveRowCount -= 1
    }
    documents[slot] = nil
    documentCount -= 1
  }

  /// Moves the living rows together, in their order, once more than half are dead. Where there is no
  /// memory for it, dead rows stay: they cost time and nothing else.
  private mutating func sweepIfWorthwhile() {
    guard rowCount > 2048, liveRowCount * 2 < rowCount else { return }
    var swept = self
    swept.matrix = VectorMatrix(dimension: dimension)
    swept.chunkIDs = []
    swept.documentSlots = []
    swept.liveRows = []
    swept.liveRowCount = 0
    swept.documents = []
    swept.slots = [:]
    guard (try? swept.matrix.reserve(liveRowCount)) != nil else { return }
    for case var document? in documents {
      let slot = swept.documents.count
      let first = swept.rowCount
      for row in document.rows {
        swept.matrix.append(UnsafeBufferPointer(start: matrix.row(row), count: dimension))
        swept.appendRow(chunkIDs[row], slot)
      }
      document.rows = first..<swept.rowCount
      swept.documents.append(document)
      swept.slots[document.rowID] = slot
    }
    self = swept
  }
}
