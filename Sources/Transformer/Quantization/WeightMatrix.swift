// A weight matrix in one of the formats, packed for this project's kernels: tiles of 16 rows, the
// layout told in ckernels.h. Relies on the kernel table and the thread pool. Refuses widths that the
// format cannot hold. Products with it are Projection's.

import CKernels
package import Compute
import Synchronization

package final class WeightMatrix: Sendable {
  package let rows: Int
  package let columns: Int
  package let format: WeightFormat
  /// Bytes that one pass over the matrix reads.
  package let packedByteCount: Int
  /// Bytes resident: the packed tiles and what dequantising needs beside them.
  package let byteCount: Int

  private let tiles: AlignedBuffer
  private let packer: any TilePacker
  private let tileByteCount: Int

  static let tileRows = Int(MARTLET_TILE_ROWS)
  var tileCount: Int { (rows + Self.tileRows - 1) / Self.tileRows }
  /// The packed tiles, as the kernels take them.
  var packedTiles: UnsafeRawPointer { UnsafeRawPointer(tiles.pointer) }

  /// Quantises and packs rows as they come: `row` is asked for ranges of at most 16 rows, row-major
  /// in float32, from several threads at once, each range once.
  package init(
    rows: Int, columns: Int, format: WeightFormat, pool: ThreadPool,
    row: @Sendable (_ rowRange: Range<Int>, UnsafeMutablePointer<Float>) throws -> Void
  ) throws {
    guard rows > 0, format.supports(columns: columns) else {
      throw QuantizationError.unsupportedShape(rows: rows, columns: columns, format: format)
    }
    self.rows = rows
    self.columns = columns
    self.format = format
    tileByteCount = martlet_tile_bytes(format.kernelFormat, columns)
    let tileCount = (rows + Self.tileRows - 1) / Self.tileRows
    let (bytes, overflow) = tileCount.multipliedReportingOverflow(by: tileByteCount)
    guard !overflow else {
      throw QuantizationError.unsupportedShape(rows: rows, columns: columns, format: format)
    }
    packedByteCount = bytes
    tiles = try AlignedBuffer(byteCount: bytes)
    let nf4 = format == .nf4 ? try NF4Packer(rows: rows, columns: columns) : nil
    packer = nf4 ?? Self.packer(for: format, columns: columns)
    try Self.pack(
      rows: rows, columns: columns, tileByteCount: tileByteCount, packer: packer, into: tiles,
      pool: pool, row: row)
    nf4?.finish(rows: rows, tiles: tiles.pointer, pool: pool)
    byteCount = bytes + (nf4?.byteCount ?? 0)
  }

  private static func packer(for format: WeightFormat, columns: Int) -> any TilePacker {
    switch format {
    case .float32, .float16, .bfloat16: FloatPacker(format: format, columns: columns)
    case .int8, .int4, .nf4: GroupPacker(format: format, columns: columns)
    }
  }

  private static func pack(
    rows: Int, columns: Int, tileByteCount: Int, packer: any TilePacker, into tiles: AlignedBuffer,
    pool: ThreadPool, row: @Sendable (Range<Int>, UnsafeMutablePointer<Float>) throws -> Void
  ) throws {
    let failure = Mutex<(any Error)?>(nil)
    pool.parallelFor((rows + tileRows - 1) / tileRows) { range in
      let values = UnsafeMutablePointer<Float>.allocate(capacity: tileRows * columns)
      defer { values.deallocate() }
      for tile in range where failure.withLock({ $0 == nil }) {
        let rowRange = tile * tileRows..<min(rows, (tile + 1) * tileRows)
        do {
          try row(rowRange, values)
          packer.pack(
            values, rowCount: rowRange.count, index: tile,
            into: tiles.pointer + tile * tileByteCount)
        } catch {
          failure.withLock { $0 = $0 ?? error }
        }
      }
    }
    if let error = failure.withLock({ $0 }) { throw error }
  }

  /// One row as float32: an embedding, or what a quantised weight stands for.
  package func dequantizeRow(_ row: Int, into output: UnsafeMutablePointer<Float>) {
    precondition(row >= 0 && row < rows)
    let tile = tiles.pointer + row / Self.tileRows * tileByteCount
    packer.dequantize(row: row, tile: tile, into: output)
  }
}
