// What searches need of documents' metadata beyond the documents themselves, made when one first asks
// for it: a column of values per key of a filter, an index of words per boosted field, and the rows
// that the latest filters let pass. Copies of an index share one cache; documents that are added
// extend it, and metadata that changes, or documents that move, begin a new one.
// Relies on the metadata of all indexes that share it agreeing as far as they go.

import Compute
import JSON
import SearchIndex
import Synchronization

final class MetadataCache: Sendable {
  /// Keys come from requests: more of them than anyone means to use push each other out.
  private static let maximumColumns = 64
  private static let maximumFields = 16
  private static let maximumMasks = 8

  private let columns = Mutex<[String: MetadataColumn]>([:])
  private let words = Mutex<[String: LexicalIndex]>([:])
  private let masks = Mutex<[CachedMask]>([])

  private struct CachedMask: Sendable {
    var filter: Filter
    var generation: Int64
    var mask: RowMask
  }

  /// The key's values of all documents, and perhaps of some that came after.
  func column(_ key: String, of documents: [JSONObject]) -> MetadataColumn {
    var column = columns.withLock { $0[key] } ?? MetadataColumn(key)
    guard column.count < documents.count else { return column }
    column.append(documents[column.count...])
    return columns.withLock { columns in
      if let known = columns[key], known.count >= column.count { return known }
      if columns.count >= Self.maximumColumns, columns[key] == nil { columns.removeAll() }
      columns[key] = column
      return column
    }
  }

  /// The words of a field of all documents, a row each, and perhaps of some that came after.
  func words(_ key: String, of documents: [JSONObject], language: String, _ pool: ThreadPool)
    throws(ComputeError) -> LexicalIndex
  {
    let known = words.withLock { $0[key] } ?? LexicalIndex()
    guard known.rowCount < documents.count else { return known }
    let path = MetadataPath(key)
    let texts = documents[known.rowCount...].map { path.text(in: $0) }
    let longer = try known.appending(texts, language: language, pool)
    words.withLock { words in
      if words.count >= Self.maximumFields, words[key] == nil { words.removeAll() }
      if words[key]?.rowCount ?? 0 < longer.rowCount { words[key] = longer }
    }
    return longer
  }

  /// The mask that a search of the same generation made for the same filter, or a new one.
  func mask(_ filter: Filter, generation: Int64, _ make: () -> RowMask) -> RowMask {
    let known = masks.withLock { masks -> RowMask? in
      masks.removeAll { $0.generation < generation }
      return masks.first { $0.generation == generation && $0.filter == filter }?.mask
    }
    if let known { return known }
    let mask = make()
    masks.withLock { masks in
      if masks.count >= Self.maximumMasks { masks.removeFirst() }
      masks.append(CachedMask(filter: filter, generation: generation, mask: mask))
    }
    return mask
  }
}

/// One key's values, each kept once.
struct MetadataColumn: Sendable {
  private let path: MetadataPath
  /// Per document: 0 where it doesn't have the key, otherwise 1 more than an index into `values`.
  private(set) var codes: [Int32] = []
  private(set) var values: [JSONValue] = []
  private var known: [JSONValue: Int32] = [:]

  init(_ key: String) { path = MetadataPath(key) }

  var count: Int { codes.count }

  mutating func append(_ documents: ArraySlice<JSONObject>) {
    codes.reserveCapacity(codes.count + documents.count)
    for document in documents {
      guard let value = path.value(in: document) else {
        codes.append(0)
        continue
      }
      if let code = known[value] {
        codes.append(code)
      } else {
        values.append(value)
        known[value] = Int32(values.count)
        codes.append(Int32(values.count))
      }
    }
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

  func value(in metadata: JSONObject) -> JSONValue? {
    if let value = metadata[key] { return value }
    guard parts.count > 1, let first = parts.first else { return nil }
    return parts.dropFirst().reduce(metadata[first]) { value, name in value?[name] }
  }

  /// What there is to read of a value: strings and numbers, of a list one to a line.
  func text(in metadata: JSONObject) -> String {
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
