// How this build packs weights, found out by packing a few: whatever changes codes, scales or their
// order in memory changes it, so that no version number has to be kept, and processors whose layouts
// differ don't read each other's files.

import Checkpoints
import Compute
import Quantization

enum PackingFingerprint {
  private static let (rows, columns) = (20, 256)

  /// A line per format.
  static func text(of formats: [WeightFormat], pool: ThreadPool) throws(ModelError) -> String {
    var text = ""
    for format in formats {
      guard let byteCount = format.byteCount(rows: rows, columns: columns) else { continue }
      do {
        let buffer = try AlignedBuffer(byteCount: byteCount)
        _ = try WeightMatrix(
          rows: rows, columns: columns, format: format,
          into: WeightMemory(buffer, bytes: 0..<byteCount), pool: pool, row: values)
        let sum = withExtendedLifetime(buffer) {
          Checksum.of(UnsafeRawBufferPointer(start: buffer.pointer, count: byteCount))
        }
        text += "packing \(format.rawValue) \(Checksum.hexadecimal(sum))\n"
      } catch {
        throw .insufficientMemory(
          purpose: "Loading a model", requiredBytes: byteCount,
          availableBytes: Processor.availableMemoryByteCount)
      }
    }
    return text
  }

  /// Numbers of a bell-like shape, large ones among them, the same everywhere.
  @Sendable private static func values(
    _ range: Range<Int>, _ output: UnsafeMutablePointer<Float>
  ) {
    for index in 0..<range.count * columns {
      var state = UInt64(range.lowerBound * columns + index + 1) &* 0x9E37_79B9_7F4A_7C15
      state ^= state >> 29
      state = state &* 0xBF58_476D_1CE4_E5B9
      let uniform = Float(Int32(truncatingIfNeeded: state >> 32)) / Float(1 << 31)
      output[index] = uniform * uniform * uniform * 0.1
    }
  }
}
