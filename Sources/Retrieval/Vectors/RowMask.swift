// Which rows of an index a search may return: those not deleted whose document passes the filter.
// Filters are asked before the scan, so that the best k are the best of what passes.

import SearchIndex

struct RowMask: Sendable {
  /// nil: all.
  let allowed: RowBitmap?
  /// Documents that pass the filter, deleted ones among them; nil: all.
  let documents: RowBitmap?

  init(_ index: CollectionIndex, filter: Filter?) {
    guard let filter else {
      allowed = index.liveRowCount == index.rowCount ? nil : index.liveRows
      documents = nil
      return
    }
    self = index.cache.mask(filter, generation: index.generation) { RowMask(index, filter) }
  }

  private init(_ index: CollectionIndex, _ filter: Filter) {
    let documents = FilterPredicate(filter).matches(index.metadata.count) { path in
      index.cache.column(path.key, of: index.metadata)
    }
    var allowed = RowBitmap(groups: index.documentSlots, in: documents)
    allowed.formIntersection(index.liveRows)
    self.documents = documents
    self.allowed = allowed
  }

  func allows(_ row: Int) -> Bool { allowed?[row] ?? true }
}
