// What searches need of documents' metadata beyond the documents themselves, made when one first asks
// for it: a column of the rows' values per key of a filter, an index of words per boosted field, and the
// rows that the latest filters let pass. Copies of an index share one cache; documents that are added
// extend it. Metadata that change begin a new one, which takes over the columns; documents that move
// begin an empty one.
// Relies on the metadata of all indexes that share it agreeing as far as they go.

import Compute
import JSON
import SearchIndex
import Synchronization

final class MetadataCache: Sendable {
  /// Keys come from requests: more of them than anyone means to use push each other out.
  private static let maximumColumns = 64
  private static let maximumFields = 16
  private static let maximumRowSets = 8

  private let columns: Mutex<[String: MetadataColumn]>
  /// Slots of documents whose metadata changed since the first column was made, one after the other.
  private let changes: [Int]
  private let words = Mutex<[String: LexicalIndex]>([:])
  private let rowSets = Mutex<[RowSet]>([])

  private struct RowSet: Sendable {
    var filter: Filter
    var generation: Int64
    var rows: RowBitmap
  }

  init() {
    columns = Mutex([:])
    changes = []
  }

  private init(columns: [String: MetadataColumn], changes: [Int]) {
    self.columns = Mutex(columns)
    self.changes = changes
  }

  /// The cache of an index in which the metadata in these slots have changed.
  func changing(_ slots: [Int], of documents: DocumentTable) -> MetadataCache {
    let changes = changes + slots
    // Columns keep values that no document has any more: with many of those, they are made anew.
    guard changes.count <= documents.slotCount / 16 else { return MetadataCache() }
    return MetadataCache(columns: columns.withLock { $0 }, changes: changes)
  }

  /// The key's values of all rows, and perhaps of some that came after.
  func column(_ key: String, of documents: DocumentTable) -> MetadataColumn {
    var column = columns.withLock { $0[key] } ?? MetadataColumn(key)
    guard column.documentCount < documents.slotCount || column.changeCount < changes.count else {
      return column
    }
    column.update(to: documents, changes)
    return columns.withLock { columns in
      if let known = columns[key], known.changeCount == changes.count,
        known.documentCount >= column.documentCount
      {
        return known
      }
      if columns.count >= Self.maximumColumns, columns[key] == nil { columns.removeAll() }
      columns[key] = column
      return column
    }
  }

  /// The words of a field of all documents, a row each, and perhaps of some that came after.
  func words(_ key: String, of documents: DocumentTable, language: String, _ pool: ThreadPool)
    throws(ComputeError) -> LexicalIndex
  {
    let known = words.withLock { $0[key] } ?? LexicalIndex()
    guard known.rowCount < documents.slotCount else { return known }
    let path = MetadataPath(key)
    var texts: [String] = []
    documents.forEachMetadata(in: known.rowCount..<documents.slotCount) {
      texts.append(path.text(in: $0))
    }
    let longer = try known.appending(texts, language: language, pool)
    words.withLock { words in
      if words.count >= Self.maximumFields, words[key] == nil { words.removeAll() }
      if words[key]?.rowCount ?? 0 < longer.rowCount { words[key] = longer }
    }
    return longer
  }

  /// The rows that a search of the same generation found for the same filter, or what `make` finds.
  func rows(passing filter: Filter, generation: Int64, _ make: () -> RowBitmap) -> RowBitmap {
    let known = rowSets.withLock { sets -> RowBitmap? in
      sets.removeAll { $0.generation < generation }
      return sets.first { $0.generation == generation && $0.filter == filter }?.rows
    }
    if let known { return known }
    let rows = make()
    rowSets.withLock { sets in
      if sets.count >= Self.maximumRowSets { sets.removeFirst() }
      sets.append(RowSet(filter: filter, generation: generation, rows: rows))
    }
    return rows
  }
}

/// Where a key leads: `a.b` is member b of a unless there is a key "a.b".
struct MetadataPath: Sendable, Hashable {
  let key: String
  private let parts: [String]

  init(_ key: String) {
    self.key = key
    parts = key.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
  }

  func value(in metadata: JSONNode) -> JSONValue? {
    if let node = metadata.member(key) { return node.value }
    guard parts.count > 1 else { return nil }
    return parts.reduce(metadata) { node, name in node?.member(name) }?.value
  }

  /// What there is to read of a value: strings and numbers, of a list one to a line.
  func text(in metadata: JSONNode) -> String {
    switch value(in: metadata) {
    case .string(let text): text
    case .array(let elements): elements.compactMap(Self.text).joined(separator: "\n")
    case .integer(let number): String(number)
    default: ""
    }
  }

  private static func text(_ value: JSONValue) -> String? {
    value.string ?? value.int.map(String.init)
  }
}
