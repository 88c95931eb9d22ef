// Memory of some of a matrix's rows: values, and codes in one piece, the coarse ones first, since every
// search of a single query reads them and huge pages begin where the piece does.

import CKernels
import Compute

// SAFETY: a row is written once, by the only writer, before any copy of the matrix whose count
// includes it is published through a mutex; readers stay below the count of their copy, and among
// codes below the last tile that it fills.
final class VectorSegment: @unchecked Sendable {
  private let owners: [AnyObject]
  let values: UnsafeMutablePointer<Float>
  private let codes: UnsafeMutablePointer<UInt8>
  private let coarseByteCount: Int

  init(_ matrix: VectorMatrix) throws(ComputeError) {
    let sizes = matrix.segmentByteCounts
    let values = try matrix.storage.room(byteCount: sizes.values)
    let codes = try AlignedBuffer(byteCount: sizes.codes)
    owners = [values.owner, codes]
    self.values = values.pointer.assumingMemoryBound(to: Float.self)
    self.codes = codes.elements()
    coarseByteCount = sizes.coarse ?? 0
  }

  /// Rows of a snapshot, whose sections have the right sizes. A full segment's values are only read
  /// and stay in the file.
  init(
    _ matrix: VectorMatrix, _ rows: Int, _ sections: [UnsafeRawBufferPointer],
    _ snapshot: SnapshotFile, _ pool: ThreadPool
  ) throws(ComputeError) {
    let room = matrix.segmentByteCounts
    guard let address = sections.first?.baseAddress, let fine = sections.last else {
      throw .outOfMemory(byteCount: room.values)
    }
    let codes = try AlignedBuffer(byteCount: room.codes)
    coarseByteCount = room.coarse ?? 0
    if room.coarse != nil { Self.copy(sections[1], to: codes.pointer, pool) }
    Self.copy(fine, to: codes.pointer + coarseByteCount, pool)
    self.codes = codes.elements()
    if rows == matrix.rowsPerSegment {
      owners = [snapshot, codes]
      values = UnsafeMutableRawPointer(mutating: address).assumingMemoryBound(to: Float.self)
    } else {
      let buffer = try matrix.storage.room(byteCount: room.values)
      Self.copy(sections[0], to: buffer.pointer, pool)
      owners = [buffer.owner, codes]
      values = buffer.pointer.assumingMemoryBound(to: Float.self)
    }
  }

  func tiles(_ codes: martlet_scan_codes) -> UnsafeMutablePointer<UInt8> {
    codes == MARTLET_SCAN_COARSE ? self.codes : self.codes + coarseByteCount
  }

  /// What a snapshot keeps of the first rows, which have these sizes.
  func sections(_ sizes: SegmentByteCounts) -> [UnsafeRawBufferPointer] {
    let starts: [UnsafeRawPointer] =
      sizes.coarse == nil
      ? [UnsafeRawPointer(values), UnsafeRawPointer(codes)]
      : [
        UnsafeRawPointer(values), UnsafeRawPointer(codes),
        UnsafeRawPointer(codes + coarseByteCount),
      ]
    return zip(starts, sizes.all).map { UnsafeRawBufferPointer(start: $0, count: $1) }
  }

  private static func copy(
    _ source: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer, _ pool: ThreadPool
  ) {
    let source = SharedBytes(bytes: source)
    let target = SharedTarget(pointer: target)
    let chunk = 1 << 20
    pool.parallelFor((source.bytes.count + chunk - 1) / chunk) { range in
      let from = range.lowerBound * chunk
      let count = min(range.upperBound * chunk, source.bytes.count) - from
      guard let base = source.bytes.baseAddress else { return }
      (target.pointer + from).copyMemory(from: base + from, byteCount: count)
    }
  }
}

/// Of some rows' values and codes; without coarse ones nil.
struct SegmentByteCounts {
  var values: Int
  var coarse: Int?
  var fine: Int

  var codes: Int { (coarse ?? 0) + fine }

  /// In a snapshot's order.
  var all: [Int] { [values] + (coarse.map { [$0] } ?? []) + [fine] }
}

// SAFETY: each thread writes bytes of its own, while the caller waits.
private struct SharedTarget: @unchecked Sendable {
  let pointer: UnsafeMutableRawPointer
}
