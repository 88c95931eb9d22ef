// Where the bytes of a matrix lie: a part of a buffer, or of something else that it keeps alive.
// What is for reading only, as a mapped file, can't be packed into.

package import Compute

// SAFETY: pointer and length never change and the owner lives as long as this. A matrix writes its
// own part while it is being packed; afterwards nobody writes.
package struct WeightMemory: @unchecked Sendable {
  package let pointer: UnsafeMutableRawPointer
  let byteCount: Int
  private let owner: any AnyObject & Sendable

  /// - Parameter owner: while it lives, the bytes stay where they are
  package init(
    _ pointer: UnsafeMutableRawPointer, byteCount: Int, owner: any AnyObject & Sendable
  ) {
    self.pointer = pointer
    self.byteCount = byteCount
    self.owner = owner
  }

  package init(_ buffer: AlignedBuffer, bytes: Range<Int>) {
    precondition(bytes.upperBound <= buffer.byteCount)
    self.init(buffer.pointer + bytes.lowerBound, byteCount: bytes.count, owner: buffer)
  }
}
