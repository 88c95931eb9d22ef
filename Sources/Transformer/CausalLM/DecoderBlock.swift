// One layer of a decoder: what attention and feed-forward make of the activations is added to them,
// one after the other or side by side, with norms before, after or around each.

import CKernels
import Checkpoints
import Compute

struct DecoderBlock: Sendable {
  /// Of what attention reads; nil where it reads the activations as they are.
  let inputNorm: NormLayer?
  let attention: Attention
  /// Of what attention adds.
  let attentionOutputNorm: NormLayer?
  /// As for attention; nil in a parallel block where feed-forward reads what attention reads.
  let feedForwardNorm: NormLayer?
  let feedForward: FeedForward
  let feedForwardOutputNorm: NormLayer?
  /// Feed-forward reads the activations before attention has added to them.
  let isParallel: Bool
  /// What is added is multiplied with it.
  let residualScale: Float

  /// Adds the block's contributions to `hidden`.
  func apply(
    _ hidden: Activations, plan: BatchPlan, cache: KVCache, layer: Int,
    workspace: inout Workspace, pool: ThreadPool
  ) throws(ModelError) {
    let pass = Pass(hidden: hidden, plan: plan, cache: cache, layer: layer, pool: pool)
    // Where nothing is done to a contribution, the product that makes it adds it in passing.
    let direct = attentionOutputNorm == nil && residualScale == 1 && !isParallel
    let attended = try direct ? hidden : workspace.branch(like: hidden)
    try addAttention(to: attended, replacing: !direct, pass, &workspace)
    if !direct, !isParallel { merge(attended, into: hidden, attentionOutputNorm, pool) }
    try addFeedForward(pass, &workspace)
    if isParallel { merge(attended, into: hidden, attentionOutputNorm, pool) }
  }

  private struct Pass {
    let hidden: Activations
    let plan: BatchPlan
    let cache: KVCache
    let layer: Int
    let pool: ThreadPool
  }

  private func addAttention(
    to output: Activations, replacing: Bool, _ pass: Pass, _ workspace: inout Workspace
  ) throws(ModelError) {
    guard let inputNorm else {
      try attention.add(
        pass.hidden, to: output, plan: pass.plan, cache: pass.cache, layer: pass.layer,
        workspace: &workspace, pool: pass.pool, replacing: replacing)
      return
    }
    let (hidden, normalized) = (pass.hidden, try workspace.normalized(like: pass.hidden))
    try attention.add(
      normalized, to: output, plan: pass.plan, cache: pass.cache, layer: pass.layer,
      workspace: &workspace, pool: pass.pool, replacing: replacing,
      filling: { inputNorm.apply(hidden, into: normalized, rows: $0) })
  }

  private func addFeedForward(_ pass: Pass, _ workspace: inout Workspace) throws(ModelError) {
    let hidden = pass.hidden
    let direct = feedForwardOutputNorm == nil && residualScale == 1
    // The attention branch of a parallel block is still waiting to be added.
    let output = try direct ? hidden : workspace.secondBranch(like: hidden)
    // What the input norm has left there is what a parallel block with one norm reads.
    let sharesNorm = isParallel && feedForwardNorm == nil && inputNorm != nil
    let readsHidden = feedForwardNorm == nil && !sharesNorm
    let input = try readsHidden ? hidden : workspace.normalized(like: hidden)
    var fill: (@Sendable (Range<Int>) -> Void)?
    if let norm = feedForwardNorm { fill = { norm.apply(hidden, into: input, rows: $0) } }
    try feedForward.add(
      input, to: output, adapting: pass.plan.adapterRuns, workspace: &workspace, pool: pass.pool,
      replacing: !direct, filling: fill)
    if !direct { merge(output, into: hidden, feedForwardOutputNorm, pass.pool) }
  }

  /// hidden += residualScale * norm(branch)
  private func merge(
    _ branch: Activations, into hidden: Activations, _ norm: NormLayer?, _ pool: ThreadPool
  ) {
    let addScaled = kernels.add_scaled
    pool.parallelFor(branch.rows, grain: 8) { rows in
      norm?.apply(branch, into: branch, rows: rows)
      for row in rows { addScaled(branch[row], residualScale, hidden.columns, hidden[row]) }
    }
  }
}

extension Workspace {
  fileprivate mutating func normalized(like x: Activations) throws(ModelError) -> Activations {
    try activations(.normalized, rows: x.rows, columns: x.columns)
  }

  fileprivate mutating func branch(like x: Activations) throws(ModelError) -> Activations {
    try activations(.branch, rows: x.rows, columns: x.columns)
  }

  fileprivate mutating func secondBranch(like x: Activations) throws(ModelError) -> Activations {
    try activations(.secondBranch, rows: x.rows, columns: x.columns)
  }
}

extension DecoderBlock {
  var linears: [Linear] {
    [attention.query, attention.key, attention.value, attention.output] + feedForward.linears
  }

  var norms: [NormLayer] {
    [
      inputNorm, attention.queryNorm, attention.keyNorm, attentionOutputNorm, feedForwardNorm,
      feedForwardOutputNorm,
    ].compactMap(\.self)
  }
}
