// Lists of values as sections of a snapshot, in the memory that they have anyway.

package struct SnapshotSections: Sendable {
  private var lists: [any Section] = []

  package init() {}

  package mutating func append<T: BitwiseCopyable & Sendable>(_ values: [T]) {
    lists.append(List(values: values))
  }

  /// The sections in their order, valid while `body` runs.
  package func withSections<R>(_ body: ([UnsafeRawBufferPointer]) -> R) -> R {
    withSections([], body)
  }

  private func withSections<R>(
    _ first: [UnsafeRawBufferPointer], _ body: ([UnsafeRawBufferPointer]) -> R
  ) -> R {
    guard first.count < lists.count else { return body(first) }
    return lists[first.count].withSection { withSections(first + [$0], body) }
  }
}

private protocol Section: Sendable {
  func withSection<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R
}

private struct List<Value: BitwiseCopyable & Sendable>: Section {
  let values: [Value]

  func withSection<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R { values.withUnsafeBytes(body) }
}
