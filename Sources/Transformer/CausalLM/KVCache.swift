// Memory for the keys and values of past tokens, in blocks of 32 positions that sequences own or
// share. A block holds all layers: [layer][keys, values][K][32 * d], so that copying a block is one
// copy. Which block belongs to whom is not known here. Relies on one thread at a time writing, and
// on two owners never sharing a block that is still being filled.

import CKernels
import Checkpoints
import Compute

// SAFETY: the memory is written by forward passes and copyBlock only, which the owner of the cache
// runs one at a time.
package final class KVCache: @unchecked Sendable {
  /// Positions in a block.
  package static let blockSize = Int(MARTLET_KV_BLOCK)

  package let blockCount: Int
  let layout: Layout
  private let storage: AlignedBuffer

  struct Layout: Sendable, Hashable {
    var layerCount: Int
    var keyValueHeadCount: Int
    var headDimension: Int
    var halfPrecision: Bool

    /// Keys (or values) of one head in one layer.
    var headBytes: Int { KVCache.blockSize * headDimension * (halfPrecision ? 2 : 4) }
    var blockBytes: Int { layerCount * 2 * keyValueHeadCount * headBytes }
  }

  init(layout: Layout, blockCount: Int) throws(ModelError) {
    let (byteCount, overflow) = blockCount.multipliedReportingOverflow(by: layout.blockBytes)
    self.layout = layout
    self.blockCount = blockCount
    storage = try .forModel(
      purpose: "A KV cache of \(blockCount) blocks", byteCount: overflow ? .max : byteCount)
  }

  package var byteCount: Int { blockCount * layout.blockBytes }

  /// Keys of a layer's head in block 0; those of block b are b * layout.blockBytes further on.
  func keys(layer: Int, head: Int) -> UnsafeMutableRawPointer {
    storage.pointer + (layer * 2 * layout.keyValueHeadCount + head) * layout.headBytes
  }

  func values(layer: Int, head: Int) -> UnsafeMutableRawPointer {
    storage.pointer + ((layer * 2 + 1) * layout.keyValueHeadCount + head) * layout.headBytes
  }

  /// Copies all layers of a block; what a sequence does before it goes on in a block of another's.
  package func copyBlock(from source: Int32, to target: Int32) {
    precondition((0..<blockCount).contains(Int(source)) && (0..<blockCount).contains(Int(target)))
    let size = layout.blockBytes
    (storage.pointer + Int(target) * size)
      .copyMemory(from: storage.pointer + Int(source) * size, byteCount: size)
  }
}

extension AlignedBuffer {
  /// Memory for a model; the error says what it was wanted for.
  static func forModel(purpose: String, byteCount: Int) throws(ModelError) -> AlignedBuffer {
    do throws(ComputeError) {
      return try AlignedBuffer(byteCount: byteCount)
    } catch {
      throw .insufficientMemory(
        purpose: purpose, requiredBytes: byteCount,
        availableBytes: Processor.availableMemoryByteCount)
    }
  }
}
