// One tensor of a checkpoint, read as float32 in ranges of elements so that no more of it than the
// reader's own buffer is ever in memory. Relies on the header having been checked against the
// file; refuses nothing: only tensors of the three readable element types exist.

import CKernels
import Compute

struct CheckpointTensor: Sendable {
  let name: String
  let format: WeightFormat
  let shape: [Int]
  private let file: MappedFile
  /// Within the file.
  private let bytes: Range<Int>

  var path: String { file.path }
  var elementCount: Int { shape.reduce(1, *) }
  /// Where its elements are, among the checkpoint's files.
  var place: String { "\(file.status.inode) \(bytes.lowerBound) \(format.rawValue)" }

  /// Nil for element types that are never read.
  init?(name: String, entry: SafetensorsHeader.Entry, file: MappedFile) {
    guard let format = entry.elementType.weightFormat else { return nil }
    self.name = name
    self.format = format
    self.shape = entry.shape
    self.file = file
    bytes = entry.bytes
  }

  /// Converts a range of elements, in row-major order, to float32.
  func read(_ elements: Range<Int>, into output: UnsafeMutablePointer<Float>) {
    precondition(elements.lowerBound >= 0 && elements.upperBound <= elementCount)
    file.withBytes { all in
      let source = UnsafeRawBufferPointer(rebasing: all[bytes])
      switch format {
      case .float16:
        convert(source, elements, into: output, with: kernels.half_to_float)
      case .bfloat16:
        convert(source, elements, into: output, with: kernels.bfloat_to_float)
      default:
        guard let base = source.baseAddress else { return }
        let size = MemoryLayout<Float>.size
        UnsafeMutableRawPointer(output)
          .copyMemory(from: base + elements.lowerBound * size, byteCount: elements.count * size)
      }
    }
  }

  /// All elements; for the small tensors: norms and biases.
  func values() -> [Float] {
    [Float](unsafeUninitializedCapacity: elementCount) { buffer, count in
      if let base = buffer.baseAddress, elementCount > 0 { read(0..<elementCount, into: base) }
      count = elementCount
    }
  }

  /// Converts 16-bit elements through a small aligned buffer: a header of odd length leaves the
  /// data of the file at odd addresses.
  private func convert(
    _ source: UnsafeRawBufferPointer, _ elements: Range<Int>,
    into output: UnsafeMutablePointer<Float>,
    with kernel: (UnsafePointer<UInt16>, Int, UnsafeMutablePointer<Float>) -> Void
  ) {
    guard let base = source.baseAddress else { return }
    withUnsafeTemporaryAllocation(of: UInt16.self, capacity: 4096) { buffer in
      guard let aligned = buffer.baseAddress else { return }
      var position = elements.lowerBound
      while position < elements.upperBound {
        let count = min(buffer.count, elements.upperBound - position)
        UnsafeMutableRawPointer(aligned).copyMemory(from: base + position * 2, byteCount: count * 2)
        kernel(aligned, count, output + (position - elements.lowerBound))
        position += count
      }
    }
  }
}
