// How rows of float32 become packed tiles of 16 rows: one implementation per kind of format. Tiles
// are packed in any order and in parallel.

import CKernels

protocol TilePacker: Sendable {
  /// Packs `rowCount` (1...16) rows, row-major, as the tile with number `index`.
  func pack(
    _ rows: UnsafePointer<Float>, rowCount: Int, index: Int, into tile: UnsafeMutableRawPointer)
}

/// float32, float16, bfloat16 and its pairs: the values themselves, rounded to the format.
struct FloatPacker: TilePacker {
  let format: WeightFormat
  let columns: Int

  func pack(
    _ rows: UnsafePointer<Float>, rowCount: Int, index: Int, into tile: UnsafeMutableRawPointer
  ) {
    martlet_pack_float_tile(format.kernelFormat, rows, rowCount, columns, tile)
  }
}
