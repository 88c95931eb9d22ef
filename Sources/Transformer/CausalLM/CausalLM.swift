// A causal language model, loaded: its sizes, and the forward pass over a ragged batch. Relies on
// one engine deciding what is computed when; passes take turns. A sequence's logits are the same
// bit for bit whatever else is in the batch and however its prompt was cut.

package import Checkpoints
import Compute
package import ModelFamilies
package import Quantization
import Synchronization

package final class CausalLM: Sendable {
  package let configuration: CausalLMConfiguration
  package let scheme: QuantizationScheme
  /// Each parameter counted once, tied ones too.
  package let parameterCount: Int
  /// Bytes of memory that the weights take.
  package let weightByteCount: Int
  /// Bytes of weights that computing one token of one sequence reads.
  package let bytesPerDecodedToken: Int

  /// How the weights got into memory.
  package let origin: WeightOrigin

  private let decoder: Decoder
  private let rotations: [RotaryFrequencies]
  private let cacheLayout: KVCache.Layout
  let modules: ModelModules
  /// Of the family's checkpoints.
  let names: CheckpointNames
  let pool: ThreadPool
  private let workspace = Mutex(Workspace())

  init(
    builder: consuming DecoderBuilder, names: CheckpointNames = CheckpointNames(),
    origin: WeightOrigin
  ) throws(ModelError) {
    var builder = builder
    self.origin = origin
    decoder = try builder.build()
    modules = builder.modules
    self.names = names
    configuration = builder.configuration
    scheme = builder.scheme
    pool = builder.pool
    parameterCount = builder.weights.layout.parameterCount
    rotations = configuration.rotary.map(RotaryFrequencies.init)
    cacheLayout = KVCache.Layout(
      layerCount: configuration.layerCount, keyValueHeadCount: configuration.keyValueHeadCount,
      headDimension: configuration.headDimension, halfPrecision: scheme.halfPrecisionCache)
    let vectors = decoder.vectorByteCount
    weightByteCount = decoder.matrices.reduce(vectors) { $0 + $1.byteCount }
    bytesPerDecodedToken =
      decoder.matrices.reduce(vectors) { $0 + $1.packedByteCount } - decoder.idleByteCount
  }

  /// Bytes of one block of `KVCache.blockSize` positions, all layers.
  package var kvBytesPerBlock: Int { cacheLayout.blockBytes }

  package func makeKVCache(blockCount: Int) throws(ModelError) -> KVCache {
    try KVCache(layout: cacheLayout, blockCount: blockCount)
  }

  /// Computes all spans of a batch, writing their keys and values into the cache and the wanted
  /// logits, [rows wanted, V] in the order of the spans. Throws only where memory runs out, and
  /// then the batch can be tried again in smaller pieces.
  package func forward(
    _ batch: Batch, cache: KVCache, logits: UnsafeMutableBufferPointer<Float>
  ) throws(ModelError) {
    precondition(cache.layout == cacheLayout, "this cache is another model's")
    precondition(logits.count >= batch.logitCount * configuration.vocabularySize)
    guard batch.tokenCount > 0 else { return }
    var plan = BatchPlan(batch, causal: true, blockCount: cache.blockCount)
    plan.computeRotations(rotations)
    // SAFETY: the buffer is the caller's for the duration of the call, which the lock does not
    // outlive.
    nonisolated(unsafe) let output = logits
    try workspace.withLock { (workspace) throws(ModelError) in
      try decoder.forward(
        plan, cache: cache, logits: output, workspace: &workspace, pool: pool)
    }
  }
}
