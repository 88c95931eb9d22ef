// One key's values: each kept once, and a number per row that says which one its document has.

import JSON
import SearchIndex

struct MetadataColumn: Sendable {
  private let path: MetadataPath
  /// Documents whose rows are in the column, in the order of their slots.
  private(set) var documentCount = 0
  private var values: [ComparedValue] = []
  /// 0 where the document doesn't have the key, otherwise 1 more than an index into `values`.
  private var codes = RowCodes()
  private var known: [JSONValue: Int] = [:]

  init(_ key: String) { path = MetadataPath(key) }

  /// Takes in the documents that have come.
  mutating func extend(to documents: DocumentTable) {
    documents.forEachMetadata(in: documentCount..<documents.slotCount) { metadata in
      let code = path.value(in: metadata).map { number(of: $0) } ?? 0
      codes.append(code, count: documents.rows(ofSlot: documentCount).count)
      documentCount += 1
    }
  }

  private mutating func number(of value: JSONValue) -> Int {
    if let number = known[value] { return number }
    values.append(ComparedValue(value))
    known[value] = values.count
    return values.count
  }

  /// Those of the first `count` rows whose document's value passes, which is nil where it has none.
  func rows(_ count: Int, passing passes: (ComparedValue?) -> Bool) -> RowBitmap {
    codes.rows(count, passing: [passes(nil)] + values.map(passes))
  }

  /// Those of the first `count` rows whose document has exactly one of the values.
  func rows(_ count: Int, having wanted: [JSONValue]) -> RowBitmap {
    var passing = [Bool](repeating: false, count: values.count + 1)
    for value in wanted {
      if let number = known[value] { passing[number] = true }
    }
    return codes.rows(count, passing: passing)
  }
}
