// How fast memory can be read: the limit of decoding. On a shared machine it changes from one second
// to the next, with what others read and with the cores that the threads are on, so that it is
// measured in turn with what is compared with it.

import CKernels

/// A stretch of memory that all threads of a pool read together. Relies on the pool being idle.
package struct ReadBandwidth {
  private static let chunkBytes = 4 << 20

  private let buffer: AlignedBuffer
  private let chunkCount: Int
  private let pool: ThreadPool

  /// - Parameter byteCount: far more than the caches hold; whole chunks of 4 MiB of it are read.
  package init(byteCount: Int, pool: ThreadPool) throws(ComputeError) {
    chunkCount = max(1, byteCount / Self.chunkBytes)
    self.pool = pool
    let buffer = try AlignedBuffer(byteCount: chunkCount * Self.chunkBytes)
    self.buffer = buffer
    // Written once: untouched pages would all be the kernel's one page of zeros.
    pool.parallelFor(chunkCount) { range in
      for i in range {
        let bytes = buffer.elements(of: UInt8.self, at: i * Self.chunkBytes)
        bytes.update(repeating: 1, count: Self.chunkBytes)
      }
    }
  }

  /// Bytes per second of one pass.
  package func measure() -> Double {
    let duration = ContinuousClock().measure {
      pool.parallelFor(chunkCount) { [buffer] range in
        for i in range {
          _ = kernels.read_sum(buffer.pointer + i * Self.chunkBytes, Self.chunkBytes)
        }
      }
    }
    return Double(chunkCount * Self.chunkBytes) / (duration / .seconds(1))
  }
}
