// nf4 as bitsandbytes defines it: blocks of 64 over the flattened row-major weight, absmax values
// double-quantised (8-bit dynamic map, nested blocks of 256, offset). Tiles hold float16 scales for
// the product; the exact absmax codes stay beside them, so that dequantised values are bitsandbytes'
// to the last bit. Widths are multiples of 64, so that no block straddles rows here.

import CKernels
import Compute

final class NF4Packer: TilePacker, @unchecked Sendable {
  // SAFETY: tiles write disjoint parts of `absmax`; `finish` runs alone between packing and
  // everything else, and after it nothing is written.
  let columns: Int
  let blockCount: Int
  private var absmax: AlignedBuffer?
  private(set) var absmaxCodes: [UInt8] = []
  private(set) var nestedAbsmax: [Float] = []
  private(set) var offset: Float = 0

  private var blocksPerRow: Int { columns / Int(MARTLET_NF4_BLOCK) }

  init(rows: Int, columns: Int) throws(ComputeError) {
    self.columns = columns
    blockCount = rows * (columns / Int(MARTLET_NF4_BLOCK))
    absmax = try AlignedBuffer(byteCount: blockCount * MemoryLayout<Float>.stride)
  }

  /// Bytes of the exact absmax values, which no product reads.
  var byteCount: Int { absmaxCodes.count + nestedAbsmax.count * MemoryLayout<Float>.stride }

  func pack(
    _ rows: UnsafePointer<Float>, rowCount: Int, index: Int, into tile: UnsafeMutableRawPointer
  ) {
    guard let absmax else { return }
    let first = index * WeightMatrix.tileRows * blocksPerRow
    let count = rowCount * columns
    let scaleCount = rowCount * blocksPerRow
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: count) { codes in
      withUnsafeTemporaryAllocation(of: UInt16.self, capacity: scaleCount) { scales in
        guard let codes = codes.baseAddress, let scales = scales.baseAddress else { return }
        martlet_nf4_quantize(rows, count, codes, absmax.elements(of: Float.self) + first)
        scales.initialize(repeating: 0, count: scaleCount)
        martlet_pack_tile(MARTLET_NF4, codes, scales, rowCount, columns, tile)
      }
    }
  }

  /// Quantises the absmax values and puts them into the tiles.
  func finish(rows: Int, tiles: UnsafeMutableRawPointer, pool: ThreadPool) {
    guard let absmax else { return }
    let nested = Int(MARTLET_NF4_NESTED_BLOCK)
    absmaxCodes = [UInt8](repeating: 0, count: blockCount)
    nestedAbsmax = [Float](repeating: 0, count: (blockCount + nested - 1) / nested)
    martlet_nf4_compress(
      absmax.elements(), blockCount, &absmaxCodes, &nestedAbsmax, &offset)
    self.absmax = nil
    let tileRows = WeightMatrix.tileRows
    let tileByteCount = martlet_tile_bytes(MARTLET_NF4, columns)
    // SAFETY: tiles are disjoint, and each is written by the one worker that took it.
    nonisolated(unsafe) let tiles = tiles
    pool.parallelFor((rows + tileRows - 1) / tileRows) { range in
      for tile in range {
        let rowCount = min(tileRows, rows - tile * tileRows)
        let first = tile * tileRows * blocksPerRow
        let scales = absmaxValues(first..<first + rowCount * blocksPerRow)
          .map { martlet_half_from_float($0) }
        martlet_set_tile_scales(
          MARTLET_NF4, scales, rowCount, columns, tiles + tile * tileByteCount)
      }
    }
  }

  func dequantize(row: Int, tile: UnsafeRawPointer, into output: UnsafeMutablePointer<Float>) {
    let absmax = absmaxValues(row * blocksPerRow..<(row + 1) * blocksPerRow)
    var codes = [UInt8](repeating: 0, count: columns)
    var scales = [UInt16](repeating: 0, count: blocksPerRow)
    martlet_unpack_row(
      MARTLET_NF4, tile, row % WeightMatrix.tileRows, columns, &codes, &scales)
    martlet_nf4_dequantize(codes, absmax, columns, output)
  }

  /// The double-quantised absmax of some blocks, as bitsandbytes restores them.
  private func absmaxValues(_ blocks: Range<Int>) -> [Float] {
    [Float](unsafeUninitializedCapacity: blocks.count) { buffer, count in
      guard let values = buffer.baseAddress else { return }
      absmaxCodes.withUnsafeBufferPointer { codes in
        guard let codes = codes.baseAddress else { return }
        withUnsafePointer(to: martlet_dynamic_map) { map in
          map.withMemoryRebound(to: Float.self, capacity: 256) { map in
            martlet_nf4_expand(
              codes + blocks.lowerBound, map, nestedAbsmax, offset, blocks.lowerBound,
              blocks.count, values)
          }
        }
      }
      count = blocks.count
    }
  }
}
