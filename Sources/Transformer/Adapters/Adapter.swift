// A PEFT adapter in memory, ready to be applied to some rows of a batch: matrices in the kernels'
// layout, vectors in float32. Relies on having been loaded for the very model that it is used with;
// belongs to nobody and lives as long as somebody holds it, so that requests finish with it after it
// was removed.

import Quantization
import Synchronization

package final class Adapter: Sendable {
  /// Unlike that of every other adapter of this process, also when one is loaded again. The model
  /// without an adapter has 0.
  package let id: UInt64
  /// Positions that it takes at the beginning of each sequence.
  package var virtualTokenCount: Int { prompt?.tokenCount ?? prefix?.tokenCount ?? 0 }
  /// Bytes of memory that it takes.
  package let byteCount: Int

  /// By the matrix that the model has there.
  let linears: [ObjectIdentifier: LinearAdaptation]
  let embedding: EmbeddingAdaptation?
  let prompt: VirtualEmbeddings?
  let prefix: KeyValuePrefix?

  private static let lastID = Atomic<UInt64>(0)

  init(
    linears: [ObjectIdentifier: LinearAdaptation], embedding: EmbeddingAdaptation?,
    prompt: VirtualEmbeddings?, prefix: KeyValuePrefix?
  ) {
    id = Self.lastID.add(1, ordering: .relaxed).newValue
    self.linears = linears
    self.embedding = embedding
    self.prompt = prompt
    self.prefix = prefix
    let floats =
      (prompt?.values.count ?? 0) + (prefix?.values.count ?? 0) + (embedding?.floatCount ?? 0)
    byteCount = linears.values.reduce(floats * MemoryLayout<Float>.stride) { $0 + $1.byteCount }
  }
}

/// What an adapter does to a product W x + b.
struct LinearAdaptation: Sendable {
  /// Trained in full, weight and bias, instead of the model's.
  var replacement: Linear?
  var lowRank: LowRank?
  /// The inputs are multiplied by these (IA3).
  var inputFactors: [Float]?
  /// The outputs are (IA3), bias included.
  var outputFactors: [Float]?

  /// + scale * B(A x)
  struct LowRank: Sendable {
    /// A, [rank, inputs]
    let input: Linear
    /// B, [outputs, rank], with `scale` times its bias
    let output: Linear
    let scale: Float
    /// Then, without the bias, each output is multiplied by this (DoRA's magnitude over norm).
    let gains: [Float]?
  }

  var byteCount: Int {
    [replacement?.weight, lowRank?.input.weight, lowRank?.output.weight].reduce(0) {
      $0 + ($1?.byteCount ?? 0)
    }
  }
}

/// What an adapter does to the embeddings of tokens.
struct EmbeddingAdaptation: Sendable {
  /// Trained in full instead of the model's.
  var replacement: WeightMatrix?
  var lowRank: LowRank?

  /// + scale * B A[:, token]
  struct LowRank: Sendable {
    /// A transposed, [vocabulary][rank]
    let rows: [Float]
    let rank: Int
    let scale: Float
    /// B, [width, rank]
    let output: Linear
    /// Then each value is multiplied by this (DoRA).
    let gains: [Float]?
  }

  var floatCount: Int {
    (lowRank?.rows.count ?? 0) + (replacement.map { $0.byteCount / 4 } ?? 0)
  }
}

/// Embeddings of tokens that no text has, [tokens][width].
struct VirtualEmbeddings: Sendable {
  let values: [Float]
  let width: Int

  var tokenCount: Int { values.count / width }
}

/// Keys and values of tokens that no text has: [tokens][layers][key, value][K][d], as peft stores
/// them (`PeftModel.get_prompt`). Keys are rotated already.
struct KeyValuePrefix: Sendable {
  let values: [Float]
  let layerCount: Int
  /// K * d
  let width: Int

  var tokenCount: Int { values.count / (layerCount * 2 * width) }

  func copy(
    position: Int, layer: Int, key: UnsafeMutablePointer<Float>,
    value: UnsafeMutablePointer<Float>
  ) {
    let start = (position * layerCount + layer) * 2 * width
    precondition(position < tokenCount && layer < layerCount)
    values.withUnsafeBufferPointer { values in
      guard let base = values.baseAddress else { return }
      key.update(from: base + start, count: width)
      value.update(from: base + start + width, count: width)
    }
  }
}

/// Consecutive rows of a batch that go through an adapter.
struct AdapterRun: Sendable {
  let adapter: Adapter
  let rows: Range<Int>
}
