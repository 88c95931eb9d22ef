// What adapters do to the embeddings of a batch's tokens, and the virtual tokens that some put in
// front of a sequence: they stand in its block table like others, under an id that no text has, so
// that positions, caching and attention need not know of them.

import Compute

extension Adapter {
  /// The id of a virtual token.
  package static let virtualToken: Int32 = -1
}

extension AdapterRun {
  /// Changes the embeddings of the run's rows, and puts virtual ones into theirs.
  func adaptEmbeddings(_ hidden: Activations, plan: BatchPlan, pool: ThreadPool) {
    if let embedding = adapter.embedding {
      embedding.apply(to: hidden[rows], tokens: Array(plan.tokens[rows]), pool: pool)
    }
    guard let prompt = adapter.prompt else { return }
    for row in rows where Int(plan.positions[row]) < prompt.tokenCount {
      let start = Int(plan.positions[row]) * prompt.width
      for column in 0..<prompt.width { hidden[row][column] = prompt.values[start + column] }
    }
  }
}

extension EmbeddingAdaptation {
  fileprivate func apply(to hidden: Activations, tokens: [Int32], pool: ThreadPool) {
    if let replacement { replacement.lookUp(tokens, into: hidden, pool: pool) }
    guard let lowRank else { return }
    let rank = lowRank.rank
    pool.withScratch(byteCount: tokens.count * rank * MemoryLayout<Float>.stride) { scratch in
      let base = scratch.assumingMemoryBound(to: Float.self)
      let inner = Activations(base: base, rows: tokens.count, columns: rank)
      for (row, token) in tokens.enumerated() {
        let start = Int(token) * rank
        // An id beyond the vocabulary has an embedding of zero.
        let isKnown = token >= 0 && start + rank <= lowRank.rows.count
        for index in 0..<rank {
          inner[row][index] = isKnown ? lowRank.rows[start + index] * lowRank.scale : 0
        }
      }
      Projection.compute(
        [Projection(linear: lowRank.output, output: hidden, adds: true)], of: inner, pool: pool)
    }
    if let gains = lowRank.gains { hidden.multiply(by: gains) }
  }
}
