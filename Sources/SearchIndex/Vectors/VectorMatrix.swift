// Rows of float32 that only ever grow, each also as 8-bit codes for the scan. Segments of about
// 24 MiB hold the values [rows][d] and the codes as tiles of 16 rows. A copy shares its segments
// with the original and sees its own number of rows, so a reader's copy stays what it was while a
// writer appends. Relies on a single writer at a time, and on readers scanning full tiles only.

import CKernels
package import Compute

package struct VectorMatrix: Sendable {
  package let dimension: Int
  package let storage: VectorStorage
  let rowsPerSegment: Int
  package private(set) var count = 0
  private var segments: [VectorSegment] = []

  /// Raised whenever rows are laid out or coded differently: older snapshots are made anew.
  package static let version = 1
  /// Segments hold multiples of this, so that no run of the scan crosses their ends.
  static let runRows = 1024
  static let tileRows = 16
  private static let segmentByteCount = 24 << 20

  package init(dimension: Int, storage: VectorStorage = .memory) {
    self.dimension = max(1, dimension)
    self.storage = storage
    let wanted = Self.segmentByteCount / (self.dimension * MemoryLayout<Float>.stride)
    rowsPerSegment = max(1, wanted / Self.runRows) * Self.runRows
  }

  /// Memory of codes, and of values unless those are on disk.
  package var byteCount: Int {
    let perTile = tileByteCount + (storage == .memory ? valueByteCount : 0)
    return (count + Self.tileRows - 1) / Self.tileRows * perTile
  }

  var tileByteCount: Int { martlet_scan_tile_bytes(dimension) }

  /// Of the values of one tile's rows.
  private var valueByteCount: Int { Self.tileRows * dimension * MemoryLayout<Float>.stride }

  /// Makes room for so many rows more, so that appending them can't fail.
  package mutating func reserve(_ rows: Int) throws(ComputeError) {
    while segments.count * rowsPerSegment < count + rows {
      segments.append(try VectorSegment(self))
    }
  }

  /// Appends a row of `dimension` finite values for which room was reserved.
  package mutating func append(_ row: UnsafeBufferPointer<Float>) {
    precondition(row.count == dimension && count < segments.count * rowsPerSegment)
    guard let source = row.baseAddress else { return }
    let segment = segments[count / rowsPerSegment]
    let place = count % rowsPerSegment
    (segment.values + place * dimension).update(from: source, count: dimension)
    martlet_scan_encode(
      source, dimension, place % Self.tileRows,
      segment.tiles + place / Self.tileRows * tileByteCount)
    count += 1
  }

  /// The row's values, valid while this matrix is.
  package func row(_ index: Int) -> UnsafePointer<Float> {
    precondition(index < count)
    let values = segments[index / rowsPerSegment].values
    return UnsafePointer(values + index % rowsPerSegment * dimension)
  }

  /// The codes of tile `index` and those after it in its segment, valid while this matrix is.
  func tile(_ index: Int) -> UnsafePointer<UInt8> {
    let tilesPerSegment = rowsPerSegment / Self.tileRows
    let tiles = segments[index / tilesPerSegment].tiles
    return UnsafePointer(tiles + index % tilesPerSegment * tileByteCount)
  }
}

// MARK: Snapshots

extension VectorMatrix {
  /// The matrix that sections of a snapshot hold: values stay in the mapped file, codes, which every
  /// search reads, go into memory. nil where the sections don't hold so many rows.
  package init?(
    _ snapshot: SnapshotFile, firstSection: Int, count: Int, dimension: Int,
    storage: VectorStorage = .memory, pool: ThreadPool
  ) {
    self.init(dimension: dimension, storage: storage)
    var section = firstSection
    while self.count < count {
      let rows = min(rowsPerSegment, count - self.count)
      guard section + 1 < snapshot.sections.count,
        let segment = try? VectorSegment(
          self, rows, values: snapshot.sections[section], tiles: snapshot.sections[section + 1],
          snapshot, pool)
      else { return nil }
      segments.append(segment)
      self.count += rows
      section += 2
    }
  }

  /// The matrix with memory of its own for rows that share a segment with rows still to be appended,
  /// so that it can be written to a file meanwhile.
  package func settled() throws(ComputeError) -> VectorMatrix {
    let kept = count / rowsPerSegment
    guard kept < segments.count else { return self }
    var matrix = self
    matrix.segments.removeSubrange(kept...)
    matrix.count = kept * rowsPerSegment
    try matrix.reserve(count - matrix.count)
    for number in matrix.count..<count {
      matrix.append(UnsafeBufferPointer(start: row(number), count: dimension))
    }
    return matrix
  }

  /// Values and codes of each segment, as the initializer takes them, valid while `body` runs.
  package func withSections<R>(_ body: ([UnsafeRawBufferPointer]) -> R) -> R {
    withExtendedLifetime(segments) {
      var sections: [UnsafeRawBufferPointer] = []
      for (number, segment) in segments.enumerated() where number * rowsPerSegment < count {
        let rows = min(rowsPerSegment, count - number * rowsPerSegment)
        let sizes = sectionByteCounts(rows)
        sections.append(UnsafeRawBufferPointer(start: segment.values, count: sizes.values))
        sections.append(UnsafeRawBufferPointer(start: segment.tiles, count: sizes.tiles))
      }
      return body(sections)
    }
  }

  /// Whole tiles, which are multiples of 64 bytes.
  fileprivate func sectionByteCounts(_ rows: Int) -> (values: Int, tiles: Int) {
    let tiles = (rows + Self.tileRows - 1) / Self.tileRows
    return (tiles * valueByteCount, tiles * tileByteCount)
  }

  fileprivate var segmentByteCounts: (values: Int, tiles: Int) {
    sectionByteCounts(rowsPerSegment)
  }
}

/// Memory of one segment.
// SAFETY: a row is written once, by the only writer, before any copy of the matrix whose count
// includes it is published through a mutex; readers stay below the count of their copy, and among
// codes below the last tile that it fills.
private final class VectorSegment: @unchecked Sendable {
  private let owners: [AnyObject]
  let values: UnsafeMutablePointer<Float>
  let tiles: UnsafeMutablePointer<UInt8>

  init(_ matrix: VectorMatrix) throws(ComputeError) {
    let sizes = matrix.segmentByteCounts
    let values = try matrix.storage.room(byteCount: sizes.values)
    let tiles = try AlignedBuffer(byteCount: sizes.tiles)
    owners = [values.owner, tiles]
    self.values = values.pointer.assumingMemoryBound(to: Float.self)
    self.tiles = tiles.elements()
  }

  /// Rows of a snapshot. A full segment's values are only read and stay in the file.
  init(
    _ matrix: VectorMatrix, _ rows: Int, values: UnsafeRawBufferPointer,
    tiles: UnsafeRawBufferPointer, _ snapshot: SnapshotFile, _ pool: ThreadPool
  ) throws(ComputeError) {
    let sizes = matrix.sectionByteCounts(rows)
    guard values.count == sizes.values, tiles.count == sizes.tiles,
      let address = values.baseAddress
    else { throw .outOfMemory(byteCount: values.count) }
    let room = matrix.segmentByteCounts
    let codes = try AlignedBuffer(byteCount: room.tiles)
    Self.copy(tiles, to: codes.pointer, pool)
    self.tiles = codes.elements()
    if rows == matrix.rowsPerSegment {
      owners = [snapshot, codes]
      self.values = UnsafeMutableRawPointer(mutating: address).assumingMemoryBound(to: Float.self)
    } else {
      let buffer = try matrix.storage.room(byteCount: room.values)
      Self.copy(values, to: buffer.pointer, pool)
      owners = [buffer.owner, codes]
      self.values = buffer.pointer.assumingMemoryBound(to: Float.self)
    }
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

// SAFETY: each thread writes bytes of its own, while the caller waits.
private struct SharedTarget: @unchecked Sendable {
  let pointer: UnsafeMutableRawPointer
}
