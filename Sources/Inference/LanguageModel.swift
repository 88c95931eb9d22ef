// What the engine needs of a model: sizes, KV storage in blocks and a forward pass over a ragged
// batch. The engine knows no architectures; tests drive it with deterministic fakes.

package import Transformer

/// A causal language model over a block KV cache.
///
/// `forward` must be batch-invariant: the logits of a span depend on the span's own tokens, its
/// blocks and on which side of `recomputationLength` its sequence is. It is called from one thread at a time, and running a span a second time with the
/// same tokens must leave the cache as it was.
package protocol LanguageModel: Sendable {
  associatedtype Cache: Sendable

  /// Logits per token, `V`.
  var vocabularySize: Int { get }
  /// The longest sequence that the model was made for.
  var contextLength: Int { get }
  /// Tokens per block of the KV cache.
  var blockSize: Int { get }
  var kvBytesPerBlock: Int { get }
  /// A sequence that grows beyond so many tokens has all of its keys computed anew, since the model
  /// turns those of longer sequences otherwise; nil where it doesn't.
  var recomputationLength: Int? { get }
  /// Tokens that end a generation.
  var endOfSequenceTokens: Set<Int32> { get }

  func makeKVCache(blockCount: Int) throws -> Cache

  /// Copies all of a block; never called during a forward pass.
  func copyBlock(from source: Int32, to target: Int32, in cache: Cache)

  /// Computes `batch` and writes the wanted logits, row-major `[wanted rows, V]`, in the order of
  /// the spans.
  func forward(_ batch: Batch, cache: Cache, logits: UnsafeMutableBufferPointer<Float>) throws
}

extension LanguageModel {
  package var recomputationLength: Int? { nil }
}
