// The double-quantised absmax values of an nf4 matrix, as bitsandbytes keeps them: an 8-bit code per
// block of 64 weights, an absmax per 256 of those, and one offset. They lie behind the matrix's
// tiles, [offset][nested absmax][codes]. No product reads them: they make dequantised values
// bitsandbytes' to the last bit.

import CKernels

// SAFETY: a view of a part of the matrix's memory, which whoever holds the view keeps alive;
// written by `compress` alone, before any reader exists.
package struct NF4Absmax: @unchecked Sendable {
  package let blockCount: Int
  private let offset: UnsafeMutablePointer<Float>
  private let nested: UnsafeMutablePointer<Float>
  private let codes: UnsafeMutablePointer<UInt8>

  static func byteCount(blockCount: Int) -> Int {
    (1 + nestedCount(blockCount)) * MemoryLayout<Float>.stride + blockCount
  }

  private static func nestedCount(_ blockCount: Int) -> Int {
    let nested = Int(MARTLET_NF4_NESTED_BLOCK)
    return (blockCount + nested - 1) / nested
  }

  init(blockCount: Int, at base: UnsafeMutableRawPointer) {
    self.blockCount = blockCount
    offset = base.assumingMemoryBound(to: Float.self)
    nested = offset + 1
    codes = UnsafeMutableRawPointer(nested + Self.nestedCount(blockCount))
      .assumingMemoryBound(to: UInt8.self)
  }

  /// Quantises the absmax values of all blocks.
  package func compress(_ absmax: UnsafePointer<Float>) {
    martlet_nf4_compress(absmax, blockCount, codes, nested, offset)
  }

  /// Takes over values that are double-quantised already: an offset, an absmax per nested block and
  /// a code per block.
  package func copy(offset: Float, nested: [Float], codes: UnsafeRawBufferPointer) {
    precondition(nested.count == Self.nestedCount(blockCount) && codes.count == blockCount)
    self.offset.pointee = offset
    self.nested.update(from: nested, count: nested.count)
    UnsafeMutableRawBufferPointer(start: self.codes, count: blockCount).copyMemory(from: codes)
  }

  /// The parts as `copy` takes them.
  package var parts: (offset: Float, nested: [Float], codes: [UInt8]) {
    let nestedCount = Self.nestedCount(blockCount)
    return (
      offset.pointee, Array(UnsafeBufferPointer(start: nested, count: nestedCount)),
      Array(UnsafeBufferPointer(start: codes, count: blockCount))
    )
  }

  /// The absmax of some blocks, as bitsandbytes restores them.
  package func values(_ blocks: Range<Int>) -> [Float] {
    [Float](unsafeUninitializedCapacity: blocks.count) { buffer, count in
      guard let values = buffer.baseAddress else { return }
      withUnsafePointer(to: martlet_dynamic_map) { map in
        map.withMemoryRebound(to: Float.self, capacity: 256) { map in
          martlet_nf4_expand(
            codes + blocks.lowerBound, map, nested, offset.pointee, blocks.lowerBound,
            blocks.count, values)
        }
      }
      count = blocks.count
    }
  }

  /// A row of the matrix whose tile is given as float32.
  func dequantize(
    row: Int, columns: Int, tile: UnsafeRawPointer, into output: UnsafeMutablePointer<Float>
  ) {
    let blocksPerRow = columns / Int(MARTLET_NF4_BLOCK)
    var codes = [UInt8](repeating: 0, count: columns)
    var scales = [UInt16](repeating: 0, count: blocksPerRow)
    martlet_unpack_row(
      MARTLET_NF4, tile, row % WeightMatrix.tileRows, columns, &codes, &scales)
    martlet_nf4_dequantize(
      codes, values(row * blocksPerRow..<(row + 1) * blocksPerRow), columns, output)
  }
}
