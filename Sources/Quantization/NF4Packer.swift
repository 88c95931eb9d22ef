// nf4 as bitsandbytes defines it: blocks of 64 over the flattened row-major weight, absmax values
// double-quantised (8-bit dynamic map, nested blocks of 256, offset). Tiles hold float16 scales for
// the product; the exact absmax codes stay beside them (NF4Absmax). Widths are multiples of 64, so
// that no block straddles rows here.

import CKernels
import Compute

struct NF4Packer: TilePacker {
  let columns: Int
  /// Of each block of 64 weights, float32, until all are known: tiles write disjoint parts.
  private let absmax: AlignedBuffer

  private var blocksPerRow: Int { columns / Int(MARTLET_NF4_BLOCK) }

  init(rows: Int, columns: Int) throws(ComputeError) {
    self.columns = columns
    let blockCount = rows * (columns / Int(MARTLET_NF4_BLOCK))
    absmax = try AlignedBuffer(byteCount: blockCount * MemoryLayout<Float>.stride)
  }

  func pack(
    _ rows: UnsafePointer<Float>, rowCount: Int, index: Int, into tile: UnsafeMutableRawPointer
  ) {
    let first = index * WeightMatrix.tileRows * blocksPerRow
    let count = rowCount * columns
    let scaleCount = rowCount * blocksPerRow
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: count) { codes in
      withUnsafeTemporaryAllocation(of: UInt16.self, capacity: scaleCount) { scales in
        guard let codes = codes.baseAddress, let scales = scales.baseAddress else { return }
        martlet_nf4_quantize(rows, count, codes, absmax.elements(of: Float.self) + first)
        scales.initialize(repeating: 0, count: scaleCount)
        _ = martlet_pack_tile(MARTLET_NF4, codes, scales, rowCount, columns, tile)
      }
    }
  }

  /// Quantises the absmax values of all tiles and puts them into the tiles.
  func finish(
    rows: Int, tiles: UnsafeMutableRawPointer, exact: NF4Absmax, pool: ThreadPool
  ) {
    withExtendedLifetime(absmax) { exact.compress(absmax.elements()) }
    let tileRows = WeightMatrix.tileRows
    let tileByteCount = martlet_tile_bytes(MARTLET_NF4, columns)
    // SAFETY: tiles are disjoint, and each is written by the one worker that took it.
    nonisolated(unsafe) let tiles = tiles
    pool.parallelFor((rows + tileRows - 1) / tileRows) { range in
      for tile in range {
        let rowCount = min(tileRows, rows - tile * tileRows)
        let first = tile * tileRows * blocksPerRow
        let scales = exact.values(first..<first + rowCount * blocksPerRow)
          .map { martlet_half_from_float($0) }
        _ = martlet_set_tile_scales(
          MARTLET_NF4, scales, rowCount, columns, tiles + tile * tileByteCount)
      }
    }
  }
}
