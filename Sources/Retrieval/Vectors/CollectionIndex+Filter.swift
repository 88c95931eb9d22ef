// Which rows of an index a search may return: those not deleted whose document passes the filter.
// Filters are asked before the scan, so that the best k are the best of what passes.

import SearchIndex

extension CollectionIndex {
  /// nil: all rows.
  func rows(passing filter: Filter?) -> RowBitmap? {
    let isWhole = liveRowCount == rowCount
    guard let filter else { return isWhole ? nil : liveRows }
    return cache.rows(passing: filter, generation: generation) {
      var rows = FilterPredicate(filter).rows(rowCount) { cache.column($0, of: documents) }
      if !isWhole { rows.formIntersection(liveRows) }
      return rows
    }
  }

  /// The slots of documents that have any of the rows: a filter lets all rows of a document pass or none.
  func documents(of rows: RowBitmap?) -> RowBitmap {
    var slots = RowBitmap(rowCount: documents.slotCount)
    for slot in 0..<documents.slotCount {
      guard let first = documents.rows(ofSlot: slot).first else { continue }
      slots[slot] = rows?[first] ?? true
    }
    return slots
  }
}
