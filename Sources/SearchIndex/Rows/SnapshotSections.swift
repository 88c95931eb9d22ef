// Lists of values as sections of a snapshot: copied, each filled up to a multiple of 64 bytes.

package struct SnapshotSections {
  private var bytes: [UInt8] = []
  private var ends: [Int] = []

  package init() {}

  package mutating func append<T: BitwiseCopyable>(_ values: [T]) {
    values.withUnsafeBytes { bytes += $0 }
    bytes += repeatElement(0, count: -bytes.count & 63)
    ends.append(bytes.count)
  }

  /// The sections in their order, valid while `body` runs.
  package func withSections<R>(_ body: ([UnsafeRawBufferPointer]) -> R) -> R {
    bytes.withUnsafeBytes { bytes in
      body(zip([0] + ends, ends).map { UnsafeRawBufferPointer(rebasing: bytes[$0..<$1]) })
    }
  }
}
