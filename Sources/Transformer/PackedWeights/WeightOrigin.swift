// How a model's weights got into memory, and the search that decides it: a packed file that an
// earlier start left is read, or mapped where memory is short; without one that can be trusted the
// weights are quantised, and can be saved for the next start.

import Checkpoints
import Compute

package enum WeightOrigin: Sendable {
  case quantized(Quantized)
  /// Read from the cache into memory of this process.
  case cacheRead
  /// The cache's file is mapped, because reading it would take most of the memory that is left:
  /// the kernel may drop pages of it and read them again.
  case cacheMapped

  package struct Quantized: Sendable {
    /// Why a file that the cache holds for these weights was not used.
    package internal(set) var refusedFile: String?
    /// Nil where there is no cache, or the model's files are changing.
    package internal(set) var unsaved: UnsavedWeights?
  }

  package var name: String {
    switch self {
    case .quantized: "quantized"
    case .cacheRead: "cache_read"
    case .cacheMapped: "cache_mapped"
    }
  }
}

/// Quantised weights that the cache does not hold yet.
package struct UnsavedWeights: Sendable {
  let entry: PackedWeightCache.Entry
  let buffer: AlignedBuffer

  /// Where they go.
  package var path: String { entry.file.path }
  package var byteCount: Int { entry.file.dataByteCount }

  /// Writes them for the next start, which takes as long as the disk takes. To be called once the
  /// model is loaded. Throws a reason in words; nothing is left behind then.
  package func save() throws {
    try entry.save(
      UnsafeRawBufferPointer(start: buffer.pointer, count: entry.file.dataByteCount))
  }
}

extension WeightStore {
  /// The weights of `entry` where its file is sound, else empty memory to quantise into.
  static func find(
    _ entry: PackedWeightCache.Entry?, layout: WeightLayout, source: WeightSource,
    pool: ThreadPool, availableMemoryByteCount: Int
  ) throws(ModelError) -> (WeightStore, WeightOrigin) {
    var refusal: String?
    if let entry {
      do throws(PackedWeightFile.Failure) {
        return try stored(
          entry.file, layout: layout, pool: pool,
          isMemoryShort: layout.byteCount > availableMemoryByteCount / 4 * 3)
      } catch {
        if case .unusable(let reason) = error { refusal = "\(entry.file.path): \(reason)" }
      }
    }
    let buffer = try memory(for: layout, available: availableMemoryByteCount)
    return (
      WeightStore(layout: layout, contents: .empty(buffer, source)),
      .quantized(
        .init(
          refusedFile: refusal,
          unsaved: entry.map { UnsavedWeights(entry: $0, buffer: buffer) }))
    )
  }

  private static func stored(
    _ file: PackedWeightFile, layout: WeightLayout, pool: ThreadPool, isMemoryShort: Bool
  ) throws(PackedWeightFile.Failure) -> (WeightStore, WeightOrigin) {
    if !isMemoryShort, let buffer = try? AlignedBuffer(byteCount: layout.byteCount) {
      try file.read(into: buffer, pool: pool)
      return (WeightStore(layout: layout, contents: .read(buffer)), .cacheRead)
    }
    let mapped = try file.map(pool: pool)
    return (
      WeightStore(layout: layout, contents: .mapped(mapped, dataOffset: file.dataOffset)),
      .cacheMapped
    )
  }

  /// Memory for weights that are still to be quantised.
  static func memory(
    for layout: WeightLayout, available: Int
  ) throws(ModelError) -> AlignedBuffer {
    guard layout.byteCount <= available else {
      throw .insufficientMemory(
        purpose: "The model", requiredBytes: layout.byteCount, availableBytes: available)
    }
    return try .forModel(purpose: "The model", byteCount: layout.byteCount)
  }
}
