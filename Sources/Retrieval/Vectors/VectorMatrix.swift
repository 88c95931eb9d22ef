// Rows of float32 that only ever grow: segments of about 8 MiB, each contiguous [rows][d]. A copy
// shares its segments with the original and sees its own number of rows, so a reader's copy stays
// what it was while a writer appends. Relies on a single writer at a time (CollectionIndex).

import Compute

struct VectorMatrix: Sendable {
  let dimension: Int
  let rowsPerSegment: Int
  private(set) var count = 0
  private var segments: [VectorSegment] = []

  private static let segmentByteCount = 8 << 20

  init(dimension: Int) {
    self.dimension = max(1, dimension)
    rowsPerSegment = max(1, Self.segmentByteCount / (self.dimension * MemoryLayout<Float>.stride))
  }

  var byteCount: Int { segments.count * rowsPerSegment * dimension * MemoryLayout<Float>.stride }

  /// Makes room for so many rows more, so that appending them can't fail.
  mutating func reserve(_ rows: Int) throws(ComputeError) {
    while segments.count * rowsPerSegment < count + rows {
      segments.append(try VectorSegment(floatCount: rowsPerSegment * dimension))
    }
  }

  /// Appends a row of `dimension` values for which room was reserved.
  mutating func append(_ row: UnsafeBufferPointer<Float>) {
    precondition(row.count == dimension && count < segments.count * rowsPerSegment)
    let segment = segments[count / rowsPerSegment]
    let target = segment.values + count % rowsPerSegment * dimension
    if let source = row.baseAddress { target.update(from: source, count: dimension) }
    count += 1
  }

  /// The row's values, valid while this matrix is.
  func row(_ index: Int) -> UnsafePointer<Float> {
    precondition(index < count)
    let values = segments[index / rowsPerSegment].values
    return UnsafePointer(values + index % rowsPerSegment * dimension)
  }

  /// The rows of `range` that lie together from its first one on, at most `limit` of them.
  func run(from first: Int, limit: Int) -> Range<Int> {
    let segmentEnd = (first / rowsPerSegment + 1) * rowsPerSegment
    return first..<min(first + limit, segmentEnd, count)
  }
}

/// Memory of one segment.
private final class VectorSegment: @unchecked Sendable {
  // SAFETY: a row is written once, by the only writer, before any copy of the matrix whose count
  // includes it is published through a mutex; readers stay below the count of their copy.
  private let buffer: AlignedBuffer
  let values: UnsafeMutablePointer<Float>

  init(floatCount: Int) throws(ComputeError) {
    buffer = try AlignedBuffer(byteCount: floatCount * MemoryLayout<Float>.stride)
    values = buffer.elements(of: Float.self)
  }
}
