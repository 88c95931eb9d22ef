// int8 and int4: symmetric codes with a scale per group of 32 columns. int4's scale has the least weighted
// squared error of its group, rounded to a whole step of its row's; int8's is the largest magnitude over
// 127. Relies on the kernel table's quantisers, which give equal codes on every instruction set.

import CKernels
import Compute

struct GroupPacker: TilePacker {
  let format: WeightFormat
  let columns: Int

  func pack(
    _ rows: UnsafePointer<Float>, rowCount: Int, index: Int, into tile: UnsafeMutableRawPointer
  ) {
    let quantize = format == .int8 ? kernels.quantize_int8 : kernels.quantize_int4
    let count = rowCount * columns
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: count) { codes in
      withUnsafeTemporaryAllocation(of: UInt16.self, capacity: count / format.groupSize) { scales in
        guard let codes = codes.baseAddress, let scales = scales.baseAddress else { return }
        quantize(rows, rowCount, columns, codes, scales)
        let fits = martlet_pack_tile(
          format.kernelFormat, codes, scales, rowCount, columns, tile)
        assert(fits)
      }
    }
  }
}
