// One key's values: each kept once, and a number per row that says which one its document has.

import JSON
import SearchIndex

struct MetadataColumn: Sendable {
  private let path: MetadataPath
  /// Documents whose rows are in the column, in the order of their slots.
  private(set) var documentCount = 0
  /// Changes of metadata that are in the column.
  private(set) var changeCount = 0
  private var values: [ComparedValue] = []
  /// 0 where the document doesn't have the key, otherwise 1 more than an index into `values`.
  private var codes = RowCodes()
  private var known: [JSONValue: Int] = [:]

  init(_ key: String) { path = MetadataPath(key) }

  /// Takes in the documents that have come, and those that have changed.
  /// - Parameter changes: slots, of which the column has the first `changeCount`
  mutating func update(to documents: DocumentTable, _ changes: [Int]) {
    for slot in Set(changes[changeCount...]) where slot < documentCount {
      documents.forEachMetadata(in: slot..<slot + 1) {
        codes.set(code(of: $0), rows: documents.rows(ofSlot: slot))
      }
    }
    changeCount = changes.count
    documents.forEachMetadata(in: documentCount..<max(documentCount, documents.slotCount)) {
      codes.append(code(of: $0), count: documents.rows(ofSlot: documentCount).count)
      documentCount += 1
    }
  }

  private mutating func code(of metadata: JSONNode) -> Int {
    guard let value = path.value(in: metadata) else { return 0 }
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
