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
    let (rows, columns) = (hidden.rows, hidden.columns)
    let normalized = try workspace.activations(.normalized, rows: rows, columns: columns)
    let projected = try workspace.activations(.projected, rows: rows, columns: columns)
    inputNorm.apply(hidden, into: normalized, pool: pool)
    try attention.apply(
      normalized, into: projected, plan: plan, cache: cache, layer: layer, workspace: &workspace,
      pool: pool)
    addRows(projected, to: hidden, pool: pool)
    feedForwardNorm.apply(hidden, into: normalized, pool: pool)
    try feedForward.apply(normalized, into: projected, workspace: &workspace, pool: pool)
    addRows(projected, to: hidden, pool: pool)
  }
}
