// Rows of float32 that only ever grow, each also as codes for the scan: of 8 bits, and, where the values
// are in memory, too, of 4. Segments of about 24 MiB hold the values [rows][d] and the codes as tiles of
// 16 rows. A copy shares its segments with the original and sees its own number of rows, so a reader's
// copy stays what it was while a writer appends. Relies on a single writer at a time, and on readers
// scanning full tiles only.

import CKernels
package import Compute

package struct VectorMatrix: Sendable {
  package let dimension: Int
  package let storage: VectorStorage
  let rowsPerSegment: Int
  package private(set) var count = 0
  private var segments: [VectorSegment] = []

  /// Raised whenever rows are laid out or coded differently: older snapshots are made anew.
  package static let version = 2
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
    let sizes = sectionByteCounts(count)
    return sizes.codes + (storage == .memory ? sizes.values : 0)
  }

  /// A scan of coarse codes has many rows scored, which is no way to read a disk.
  var hasCoarseCodes: Bool { storage == .memory }

  fileprivate func tileByteCount(_ codes: martlet_scan_codes) -> Int {
    martlet_scan_tile_bytes(codes, dimension)
  }

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
    for codes in hasCoarseCodes ? [MARTLET_SCAN_FINE, MARTLET_SCAN_COARSE] : [MARTLET_SCAN_FINE] {
      let tile = segment.tiles(codes) + place / Self.tileRows * tileByteCount(codes)
      martlet_scan_encode(codes, source, dimension, place % Self.tileRows, tile)
    }
    count += 1
  }

  /// The row's values, valid while this matrix is: the pointer alone does not keep it.
  package func row(_ index: Int) -> UnsafePointer<Float> {
    precondition(index < count)
    let values = segments[index / rowsPerSegment].values
    return UnsafePointer(values + index % rowsPerSegment * dimension)
  }

  /// The codes of tile `index` and those after it in its segment, valid while this matrix is.
  func tile(_ index: Int, _ codes: martlet_scan_codes) -> UnsafePointer<UInt8> {
    let tilesPerSegment = rowsPerSegment / Self.tileRows
    let tiles = segments[index / tilesPerSegment].tiles(codes)
    return UnsafePointer(tiles + index % tilesPerSegment * tileByteCount(codes))
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
    defer { withExtendedLifetime(snapshot) {} }
    self.init(dimension: dimension, storage: storage)
    var rest = snapshot.sections.dropFirst(firstSection)
    while self.count < count {
      let rows = min(rowsPerSegment, count - self.count)
      let sizes = sectionByteCounts(rows)
      let sections = rest.prefix(sizes.all.count)
      guard sections.map(\.count) == sizes.all,
        let segment = try? VectorSegment(self, rows, Array(sections), snapshot, pool)
      else { return nil }
      segments.append(segment)
      self.count += rows
      rest = rest.dropFirst(sections.count)
    }
  }

  /// The matrix with memory of its own for rows that share a segment with rows still to be appended,
  /// so that it can be written to a file meanwhile.
  package func settled() throws(ComputeError) -> VectorMatrix {
    defer { withExtendedLifetime(self) {} }
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

  /// Values, coarse codes and fine codes of each segment, as the initializer takes them, valid while `body` runs.
  package func withSections<R>(_ body: ([UnsafeRawBufferPointer]) -> R) -> R {
    withExtendedLifetime(segments) {
      let used = segments.prefix((count + rowsPerSegment - 1) / rowsPerSegment)
      let sections = used.enumerated().flatMap { number, segment in
        segment.sections(sectionByteCounts(min(rowsPerSegment, count - number * rowsPerSegment)))
      }
      return body(sections)
    }
  }

  var segmentByteCounts: SegmentByteCounts { sectionByteCounts(rowsPerSegment) }

  /// Whole tiles, which are multiples of 64 bytes.
  fileprivate func sectionByteCounts(_ rows: Int) -> SegmentByteCounts {
    let tiles = (rows + Self.tileRows - 1) / Self.tileRows
    return SegmentByteCounts(
      values: tiles * Self.tileRows * dimension * MemoryLayout<Float>.stride,
      coarse: hasCoarseCodes ? tiles * tileByteCount(MARTLET_SCAN_COARSE) : nil,
      fine: tiles * tileByteCount(MARTLET_SCAN_FINE))
  }
}
