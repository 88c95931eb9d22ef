// A fast check that bytes are those that were written: eight lanes of FNV-1a over 64-bit words, for
// each mebibyte, on all threads. Any one changed word changes it; it is no defence against intent.

import Compute
import Synchronization

package enum Checksum {
  private static let chunkByteCount = 1 << 20
  private static let prime: UInt64 = 0x100_0000_01b3
  private static let start: UInt64 = 0xcbf2_9ce4_8422_2325

  /// Of bytes and as many zeros as make their number a multiple of 64.
  static func of(_ bytes: UnsafeRawBufferPointer, _ pool: ThreadPool) -> UInt64 {
    let chunks = (bytes.count + chunkByteCount - 1) / chunkByteCount
    let sums = Mutex([UInt64](repeating: 0, count: chunks))
    let shared = SharedBytes(bytes: bytes)
    pool.parallelFor(chunks) { range in
      for chunk in range {
        let from = chunk * chunkByteCount
        let part = shared.bytes[from..<min(from + chunkByteCount, shared.bytes.count)]
        let sum = sum(UnsafeRawBufferPointer(rebasing: part))
        sums.withLock { $0[chunk] = sum }
      }
    }
    return sums.withLock {
      $0.reduce(start ^ UInt64((bytes.count + 63) / 64 * 64)) { ($0 ^ $1) &* prime }
    }
  }

  private static func sum(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var lanes = SIMD8<UInt64>(repeating: start)
    let whole = bytes.count / 64 * 64
    for offset in stride(from: 0, to: whole, by: 64) {
      lanes = (lanes ^ bytes.loadUnaligned(fromByteOffset: offset, as: SIMD8<UInt64>.self)) &* prime
    }
    if whole < bytes.count {
      var last = SIMD8<UInt64>()
      withUnsafeMutableBytes(of: &last) { $0.copyMemory(from: .init(rebasing: bytes[whole...])) }
      lanes = (lanes ^ last) &* prime
    }
    return (0..<8).reduce(start) { ($0 ^ lanes[$1]) &* prime }
  }
}

// SAFETY: only read, while the caller waits.
struct SharedBytes: @unchecked Sendable {
  let bytes: UnsafeRawBufferPointer
}
