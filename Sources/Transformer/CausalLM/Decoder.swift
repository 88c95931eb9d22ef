// The layers of a causal language model, and the pass through them: embed, blocks, norm, head.
// All tokens of all spans go through each layer together.

import CKernels
import Checkpoints
import Compute
import Quantization

struct Decoder: Sendable {
  let embedding: WeightMatrix
  let embeddingScale: Float
  /// [positions][D], added to the embeddings.
  let positions: WeightMatrix?
  let blocks: [DecoderBlock]
  let finalNorm: NormLayer
  /// Of the same matrix as `embedding` where they are tied.
  let head: Linear
  let logitScale: Float
  let logitSoftCap: Float?

  /// Normalised activations [T][D] of the last layer, of whole sequences that nothing follows: keys
  /// and values serve one layer only, so that all layers share the cache's single one.
  func hiddenStates(
    _ plan: BatchPlan, cache: KVCache, workspace: inout Workspace, pool: ThreadPool
  ) throws(ModelError) -> Activations {
    let hidden = try workspace.activations(
      .hidden, rows: plan.tokens.count, columns: embedding.columns)
    try embed(plan, into: hidden, workspace: &workspace, pool: pool)
    for block in blocks {
      try block.apply(
        hidden, plan: plan, cache: cache, layer: 0, workspace: &workspace, pool: pool)
    }
    finalNorm.apply(hidden, into: hidden, pool: pool)
    return hidden
  }

  /// Writes logits [rows wanted, V].
  func forward(
    _ plan: BatchPlan, cache: KVCache, logits: UnsafeMutableBufferPointer<Float>,
    workspace: inout Workspace, pool: ThreadPool
  ) throws(ModelError) {
    let width = embedding.columns
    let hidden = try workspace.activations(.hidden, rows: plan.tokens.count, columns: width)
    try embed(plan, into: hidden, workspace: &workspace, pool: pool)
    for (layer, block) in blocks.enumerated() {
      try block.apply(
        hidden, plan: plan, cache: cache, layer: layer, workspace: &workspace, pool: pool)
    }
    guard let output = logits.baseAddress, !plan.selectedRows.isEmpty else { return }
    let rows = plan.selectedRows
    let selected = try workspace.activations(.selected, rows: rows.count, columns: width)
    for (index, row) in rows.enumerated() {
      selected[index].update(from: hidden[row], count: width)
    }
    finalNorm.apply(selected, into: selected, pool: pool)
    let view = Activations(base: output, rows: rows.count, columns: head.outputCount)
    Projection.compute(
      [Projection(linear: head, output: view)], of: selected, adapting: plan.selectedAdapterRuns,
      pool: pool)
    finish(view, pool: pool)
  }

  private func embed(
    _ plan: BatchPlan, into hidden: Activations, workspace: inout Workspace, pool: ThreadPool
  ) throws(ModelError) {
    let width = hidden.columns
    embedding.lookUp(plan.tokens, into: hidden, pool: pool)
    for run in plan.adapterRuns { run.adaptEmbeddings(hidden, plan: plan, pool: pool) }
    if embeddingScale != 1 {
      let scale = kernels.scale
      for row in 0..<hidden.rows { scale(hidden[row], embeddingScale, width, hidden[row]) }
    }
    for run in plan.adapterRuns { run.placeVirtualEmbeddings(hidden, plan: plan) }
    guard let positions else { return }
    let added = try workspace.activations(.normalized, rows: hidden.rows, columns: width)
    positions.lookUp(plan.positions, into: added, pool: pool)
    let add = kernels.add
    for row in 0..<hidden.rows { add(hidden[row], added[row], width, hidden[row]) }
  }

  private func finish(_ logits: Activations, pool: ThreadPool) {
    guard logitScale != 1 || logitSoftCap != nil else { return }
    let (scale, softCap) = (kernels.scale, kernels.soft_cap)
    pool.parallelFor(logits.rows) { rows in
      for row in rows {
        if logitScale != 1 { scale(logits[row], logitScale, logits.columns, logits[row]) }
        if let logitSoftCap { softCap(logits[row], logitSoftCap, logits.columns, logits[row]) }
      }
    }
  }

  /// Every matrix once.
  var matrices: [WeightMatrix] {
    var all = [embedding]
    if let positions { all.append(positions) }
    for block in blocks { all += block.linears.map(\.weight) }
    if head.weight !== embedding { all.append(head.weight) }
    return all
  }

  /// Norms and biases.
  var vectorByteCount: Int {
    var count = finalNorm.parameterCount
    for block in blocks {
      count += block.norms.reduce(0) { $0 + $1.parameterCount }
      count += block.linears.reduce(0) { $0 + ($1.bias?.count ?? 0) }
    }
    return count * MemoryLayout<Float>.stride
  }

  /// Bytes of weights that one token doesn't read: experts that it isn't sent to, and all rows but
  /// one of the tables of embeddings and positions.
  var idleByteCount: Int {
    var count = blocks.reduce(0) { $0 + $1.feedForward.idleByteCount }
    let tables = head.weight === embedding ? [positions] : [embedding, positions]
    for table in tables.compactMap(\.self) {
      count += table.packedByteCount - table.packedByteCount / table.rows
    }
    return count
  }
}

extension WeightMatrix {
  /// Rows of an embedding matrix as activations. An id beyond the matrix, which who takes ids from
  /// outside refuses first, has an embedding of zero.
  func lookUp(_ tokens: [Int32], into output: Activations, pool: ThreadPool) {
    pool.parallelFor(tokens.count, grain: 16) { range in
      for index in range {
        let token = Int(tokens[index])
        if (0..<rows).contains(token) {
          dequantizeRow(token, into: output[index])
        } else {
          output[index].update(repeating: 0, count: columns)
        }
      }
    }
  }
}
