// Which rows of an index a search may return: those not deleted whose document passes the filter.
// Filters are asked once per document, before the scan, so that the best k are the best of what
// passes.

import SearchIndex

struct RowMask: Sendable {
  /// nil: all.
  let allowed: RowBitmap?
  let allowedCount: Int

  init(_ index: CollectionIndex, filter: Filter?) {
    guard let filter else {
      allowed = index.liveRowCount == index.rowCount ? nil : index.liveRows
      allowedCount = index.liveRowCount
      return
    }
    let predicate = FilterPredicate(filter)
    var allowed = RowBitmap(rowCount: index.rowCount)
    for case let document? in index.documents where predicate.matches(document.metadata) {
      for row in document.rows { allowed[row] = true }
    }
    self.allowed = allowed
    allowedCount = allowed.count
  }

  func allows(_ row: Int) -> Bool { allowed?[row] ?? true }
}
