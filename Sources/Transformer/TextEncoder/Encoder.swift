// The layers of a text encoder and the pass through them: embeddings of word, position and type,
// then post-norm blocks in which all tokens of a text see each other. Texts are packed side by side
// without padding.

import CKernels
import Compute

struct EncoderBlock: Sendable {
  let attention: Attention
  let attentionNorm: NormLayer
  let feedForward: FeedForward
  let outputNorm: NormLayer

  func apply(
    _ hidden: Activations, plan: BatchPlan, cache: KVCache, workspace: inout Workspace,
    pool: ThreadPool
  ) throws(ModelError) {
    // Keys and values serve one layer only, so that all layers share the cache's single one.
    try attention.add(
      hidden, to: hidden, plan: plan, cache: cache, layer: 0, workspace: &workspace, pool: pool)
    attentionNorm.apply(hidden, into: hidden, pool: pool)
    try feedForward.add(hidden, to: hidden, workspace: &workspace, pool: pool)
    outputNorm.apply(hidden, into: hidden, pool: pool)
  }
}

struct Encoder: Sendable {
  let words: WeightMatrix
  /// [positions][D]
  let positions: [Float]
  /// [D], of token type 0: the only one that a single text has.
  let type: [Float]
  let embeddingNorm: NormLayer
  let blocks: [EncoderBlock]

  /// Activations [T][D] of the last layer.
  func forward(
    _ plan: BatchPlan, cache: KVCache, workspace: inout Workspace, pool: ThreadPool
  ) throws(ModelError) -> Activations {
    let width = words.columns
    let hidden = try workspace.activations(.hidden, rows: plan.tokens.count, columns: width)
    words.lookUp(plan.tokens, into: hidden, pool: pool)
    let add = kernels.add
    positions.withUnsafeBufferPointer { positions in
      guard let positions = positions.baseAddress else { return }
      for (row, position) in plan.positions.enumerated() {
        add(hidden[row], type, width, hidden[row])
        add(hidden[row], positions + Int(position) * width, width, hidden[row])
      }
    }
    embeddingNorm.apply(hidden, into: hidden, pool: pool)
    for block in blocks {
      try block.apply(hidden, plan: plan, cache: cache, workspace: &workspace, pool: pool)
    }
    return hidden
  }
}
