// Memory for weights, caches and scratch: zeroed, 64-byte aligned, in huge pages when it is large
// (they nearly double read bandwidth). Relies on anonymous mappings; freed with the last reference.
// An allocation that the system refuses throws; it never returns short memory.

import CLinux

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

// SAFETY: the pointer and the length never change; who writes which bytes when is the owner's
// business, as with any raw memory.
package final class AlignedBuffer: @unchecked Sendable {
  package let pointer: UnsafeMutableRawPointer
  package let byteCount: Int
  private let mapping: UnsafeMutableRawPointer
  private let mappingByteCount: Int

  private static let hugePage = 2 << 20
  private static let pageByteCount = 4096

  package init(byteCount: Int) throws(ComputeError) {
    precondition(byteCount >= 0)
    let isLarge = byteCount >= Self.hugePage
    let unit = isLarge ? Self.hugePage : Self.pageByteCount
    // One unit more lets a large buffer start on a huge page.
    let (padded, overflow) = max(byteCount, 1).addingReportingOverflow(isLarge ? 2 * unit : unit)
    guard !overflow, let mapping = clinux_map_anonymous(padded / unit * unit) else {
      throw ComputeError.outOfMemory(byteCount: byteCount)
    }
    self.mapping = mapping
    mappingByteCount = padded / unit * unit
    self.byteCount = byteCount
    pointer = isLarge ? mapping.alignedUp(toMultipleOf: unit) : mapping
    // Kernels without huge pages refuse, which costs speed and nothing else.
    if isLarge { _ = clinux_advise_huge_pages(pointer, byteCount / unit * unit) }
  }

  deinit { munmap(mapping, mappingByteCount) }

  /// The bytes from `offset` on as elements of a trivial type.
  package func elements<T: BitwiseCopyable>(
    of type: T.Type = T.self, at offset: Int = 0
  ) -> UnsafeMutablePointer<T> {
    (pointer + offset).assumingMemoryBound(to: type)
  }
}
