// One layer of a decoder: norm, attention, sum; norm, feed-forward, sum.

import Compute

struct DecoderBlock: Sendable {
  let inputNorm: NormLayer
  let attention: Attention
  let feedForwardNorm: NormLayer
  let feedForward: FeedForward

  /// Adds the block's contributions to `hidden`.
  func apply(
    _ hidden: Activations, plan: BatchPlan, cache: KVCache, layer: Int,
    workspace: inout Workspace, pool: ThreadPool
  ) throws(ModelError) {
    let normalized = try workspace.activations(
      .normalized, rows: hidden.rows, columns: hidden.columns)
    try attention.add(
      normalized, to: hidden, plan: plan, cache: cache, layer: layer, workspace: &workspace,
      pool: pool, filling: { inputNorm.apply(hidden, into: normalized, rows: $0) })
    try feedForward.add(
      normalized, to: hidden, adapting: plan.adapterRuns, workspace: &workspace, pool: pool,
      filling: { feedForwardNorm.apply(hidden, into: normalized, rows: $0) })
  }
}
