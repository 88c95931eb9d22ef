// Which rows of an index a search may return: those not deleted whose document passes the filter.
// Filters are asked once per document, before the scan, so that the best k are the best of what
// passes.

struct RowMask: Sendable {
  /// One per row; nil: all.
  let allowed: [Bool]?
  let allowedCount: Int

  init(_ index: CollectionIndex, filter: Filter?) {
    guard let filter else {
      allowed = index.liveRowCount == index.rowCount ? nil : index.liveRows
      allowedCount = index.liveRowCount
      return
    }
    let predicate = FilterPredicate(filter)
    let passes = index.documents.map { $0.map { predicate.matches($0.metadata) } ?? false }
    var allowed = index.liveRows
    var count = 0
    for row in allowed.indices where allowed[row] {
      allowed[row] = passes[index.documentSlots[row]]
      if allowed[row] { count += 1 }
    }
    self.allowed = allowed
    allowedCount = count
  }

  func allows(_ row: Int) -> Bool { allowed?[row] ?? true }
}
