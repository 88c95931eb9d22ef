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

  private let memory: WeightMemory
  private let tileByteCount: Int
  /// Behind the tiles of nf4.
  package let absmax: NF4Absmax?

  package static let tileRows = Int(MARTLET_TILE_ROWS)
  package var tileCount: Int { (rows + Self.tileRows - 1) / Self.tileRows }
  /// The packed tiles, as the kernels take them.
  package var packedTiles: UnsafeRawPointer { UnsafeRawPointer(tiles) }

  private var tiles: UnsafeMutableRawPointer { memory.pointer }

  /// A matrix whose bytes are in memory as an earlier packing left them:
  /// `format.byteCount(rows:columns:)` of them, 64-byte aligned.
  package init(rows: Int, columns: Int, format: WeightFormat, packed memory: WeightMemory) throws {
    guard let packedByteCount = format.tileByteCount(rows: rows, columns: columns),
      let byteCount = format.byteCount(rows: rows, columns: columns)
    else {
      throw QuantizationError.unsupportedShape(rows: rows, columns: columns, format: format)
    }
    precondition(memory.byteCount == byteCount)
    self.rows = rows
    self.columns = columns
    self.format = format
    self.packedByteCount = packedByteCount
    self.byteCount = byteCount
    self.memory = memory
    tileByteCount = martlet_tile_bytes(format.kernelFormat, columns)
    absmax =
      format == .nf4
      ? NF4Absmax(
        blockCount: rows * (columns / format.groupSize), at: memory.pointer + packedByteCount)
      : nil
  }

  /// Quantises and packs rows as they come, into memory as above: `row` is asked for ranges of at
  /// most 16 rows, row-major in float32, from several threads at once, each range once.
  package convenience init(
    rows: Int, columns: Int, format: WeightFormat, into memory: WeightMemory, pool: ThreadPool,
    row: @Sendable (_ rowRange: Range<Int>, UnsafeMutablePointer<Float>) throws -> Void
  ) throws {
    try self.init(rows: rows, columns: columns, format: format, packed: memory)
    switch format {
    case .float32, .float16, .bfloat16, .bfloat16Pairs:
      try pack(FloatPacker(format: format, columns: columns), pool: pool, row: row)
    case .int8, .int4, .int4Stepped:
      try pack(GroupPacker(format: format, columns: columns), pool: pool, row: row)
    case .nf4:
      let packer = try NF4Packer(rows: rows, columns: columns)
      try pack(packer, pool: pool, row: row)
      if let absmax { packer.finish(rows: rows, tiles: tiles, exact: absmax, pool: pool) }
    }
  }

  /// The same in memory of its own.
  package convenience init(
    rows: Int, columns: Int, format: WeightFormat, pool: ThreadPool,
    row: @Sendable (_ rowRange: Range<Int>, UnsafeMutablePointer<Float>) throws -> Void
  ) throws {
    try self.init(
      rows: rows, columns: columns, format: format,
      into: Self.memory(rows: rows, columns: columns, format: format), pool: pool, row: row)
  }

  /// Packs codes that are stored in this very format, into memory as above. Throws where its scales
  /// should be steps and aren't.
  package convenience init(
    rows: Int, columns: Int, format: WeightFormat, codes: any QuantizedElements,
    into memory: WeightMemory, pool: ThreadPool
  ) throws {
    precondition(codes.exactFormat == format)
    try self.init(rows: rows, columns: columns, format: format, packed: memory)
    let groups = columns / format.groupSize
    let fits = Atomic(true)
    pool.parallelFor(tileCount) { range in
      var buffer = [UInt8](repeating: 0, count: Self.tileRows * columns)
      var scales = [UInt16](repeating: 0, count: Self.tileRows * groups)
      for tile in range {
        let part = tile * Self.tileRows..<min(rows, (tile + 1) * Self.tileRows)
        codes.readCodes(rows: part, codes: &buffer, scales: &scales)
        if !martlet_pack_tile(
          format.kernelFormat, buffer, scales, part.count, columns, tiles + tile * tileByteCount)
        {
          fits.store(false, ordering: .relaxed)
        }
      }
    }
    guard fits.load(ordering: .relaxed) else { throw QuantizationError.scalesWithoutSteps }
    if let absmax { codes.writeAbsmax(into: absmax) }
  }

  /// The same in memory of its own.
  package convenience init(
    rows: Int, columns: Int, format: WeightFormat, codes: any QuantizedElements, pool: ThreadPool
  ) throws {
    try self.init(
      rows: rows, columns: columns, format: format, codes: codes,
      into: Self.memory(rows: rows, columns: columns, format: format), pool: pool)
  }

  private static func memory(rows: Int, columns: Int, format: WeightFormat) throws -> WeightMemory {
    guard let byteCount = format.byteCount(rows: rows, columns: columns) else {
      throw QuantizationError.unsupportedShape(rows: rows, columns: columns, format: format)
    }
    return WeightMemory(try AlignedBuffer(byteCount: byteCount), bytes: 0..<byteCount)
  }

  private func pack(
    _ packer: some TilePacker, pool: ThreadPool,
    row: @Sendable (Range<Int>, UnsafeMutablePointer<Float>) throws -> Void
  ) throws {
    let failure = Mutex<(any Error)?>(nil)
    pool.parallelFor(tileCount) { range in
      let values = UnsafeMutablePointer<Float>.allocate(capacity: Self.tileRows * columns)
      defer { values.deallocate() }
      for tile in range where failure.withLock({ $0 == nil }) {
        let rowRange = tile * Self.tileRows..<min(rows, (tile + 1) * Self.tileRows)
        do {
          try row(rowRange, values)
          packer.pack(
            values, rowCount: rowRange.count, index: tile, into: tiles + tile * tileByteCount)
        } catch {
          failure.withLock { $0 = $0 ?? error }
        }
      }
    }
    if let error = failure.withLock({ $0 }) { throw error }
  }

  /// A row of a quantised matrix as `martlet_pack_tile` took it: codes, one to a byte, and float16
  /// scales per group.
  package func unpackRow(
    _ row: Int, codes: UnsafeMutablePointer<UInt8>, scales: UnsafeMutablePointer<UInt16>
  ) {
    precondition(row >= 0 && row < rows && format.isQuantized)
    martlet_unpack_row(
      format.kernelFormat, tiles + row / Self.tileRows * tileByteCount, row % Self.tileRows,
      columns, codes, scales)
  }

  /// A row's scales of a matrix in the stepped format: steps per group, and the step, a float16.
  package func unpackSteps(_ row: Int, into steps: UnsafeMutablePointer<Int8>) -> Float {
    precondition(row >= 0 && row < rows && format == .int4Stepped)
    return martlet_unpack_steps(
      tiles + row / Self.tileRows * tileByteCount, row % Self.tileRows, columns, steps)
  }

  /// One row as float32: an embedding, or what a quantised weight stands for.
  package func dequantizeRow(_ row: Int, into output: UnsafeMutablePointer<Float>) {
    precondition(row >= 0 && row < rows)
    let tile = tiles + row / Self.tileRows * tileByteCount
    if let absmax {
      absmax.dequantize(row: row, columns: columns, tile: tile, into: output)
    } else {
      martlet_dequantize_row(
        format.kernelFormat, tile, row % Self.tileRows, columns, output)
    }
  }
}
