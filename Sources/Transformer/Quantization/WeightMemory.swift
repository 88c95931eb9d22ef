// Where the bytes of a matrix lie: a part of a buffer or of a mapped file, which it keeps alive.
// A mapped file is for reading only: matrices that are packed need a buffer.

import Compute

// SAFETY: pointer and length never change and the owner lives as long as this. A matrix writes its
// own part while it is being packed; afterwards nobody writes.
struct WeightMemory: @unchecked Sendable {
  let pointer: UnsafeMutableRawPointer
  let byteCount: Int
  private let owner: any AnyObject & Sendable

  init(_ buffer: AlignedBuffer, bytes: Range<Int>) {
    precondition(bytes.upperBound <= buffer.byteCount)
    pointer = buffer.pointer + bytes.lowerBound
    byteCount = bytes.count
    owner = buffer
  }

  init(_ file: MappedFile, bytes: Range<Int>) {
    precondition(bytes.upperBound <= file.byteCount)
    pointer = UnsafeMutableRawPointer(mutating: file.base + bytes.lowerBound)
    byteCount = bytes.count
    owner = file
  }
}
