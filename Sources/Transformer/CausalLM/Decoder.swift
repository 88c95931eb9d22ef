// The layers of a causal language model, and the pass through them: embed, blocks, norm, head.
// All tokens of all spans go through each layer together.

import Compute

struct Decoder: Sendable {
  let embedding: WeightMatrix
  let blocks: [DecoderBlock]
  let finalNorm: NormLayer
  /// Of the same matrix as `embedding` where they are tied.
  let head: Linear

  /// Writes logits [rows wanted, V].
  func forward(
    _ plan: BatchPlan, cache: KVCache, logits: UnsafeMutableBufferPointer<Float>,
    workspace: inout Workspace, pool: ThreadPool
  ) throws(ModelError) {
    let width = embedding.columns
    let hidden = try workspace.activations(.hidden, rows: plan.tokens.count, columns: width)
    embedding.lookUp(plan.tokens, into: hidden, pool: pool)
    for run in plan.adapterRuns { run.adaptEmbeddings(hidden, plan: plan, pool: pool) }
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
  }

  /// Every matrix once.
  var matrices: [WeightMatrix] {
    var all = [embedding]
    for block in blocks { all += block.matrices }
    if head.weight !== embedding { all.append(head.weight) }
    return all
  }

  /// Norms and biases.
  var vectorByteCount: Int {
    let count = blocks.reduce(finalNorm.parameterCount) { $0 + $1.vectorParameterCount }
    return count * MemoryLayout<Float>.stride
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

extension DecoderBlock {
  private var linears: [Linear] {
    let attention = [attention.query, attention.key, attention.value, attention.output]
    return attention + feedForward.linears
  }

  var matrices: [WeightMatrix] { linears.map(\.weight) }

  var vectorParameterCount: Int {
    linears.reduce(inputNorm.parameterCount + feedForwardNorm.parameterCount) {
      $0 + ($1.bias?.count ?? 0)
    }
  }
}
