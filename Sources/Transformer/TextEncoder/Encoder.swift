// The layers of a text encoder and the pass through them: embeddings, then blocks in which the tokens
// of a text see each other. Texts are packed side by side without padding.

import CKernels
import Checkpoints
import Compute

/// Rows of a word, a token type and a position, summed and normalised.
struct EncoderEmbeddings: Sendable {
  /// [words][D], row after row: a text reads few of them, and a tile would have it read sixteen.
  let words: [Float]
  let width: Int
  /// [types][D]; empty without.
  let types: [Float]
  let positions: LearntPositions?
  let norm: NormLayer

  /// - Parameter types: of all tokens, or none for type 0 throughout; ones beyond the table are 0
  func apply(
    _ plan: BatchPlan, types tokenTypes: [UInt8], into hidden: Activations, pool: ThreadPool
  ) {
    lookUp(plan.tokens, into: hidden, pool: pool)
    if !types.isEmpty {
      let rows = (0..<hidden.rows).map { tokenTypes.isEmpty ? 0 : Int(tokenTypes[$0]) }
      add(rows.map { ($0 + 1) * width <= types.count ? $0 : 0 }, of: types, to: hidden)
    }
    if let positions { add(positions.rows(of: plan), of: positions.table, to: hidden) }
    norm.apply(hidden, into: hidden, pool: pool)
  }

  /// An id beyond the table, which who takes ids from outside refuses first, has zeros.
  private func lookUp(_ tokens: [Int32], into hidden: Activations, pool: ThreadPool) {
    let wordCount = words.count / width
    pool.parallelFor(tokens.count, grain: 64) { range in
      words.withUnsafeBufferPointer { words in
        guard let words = words.baseAddress else { return }
        for row in range {
          let word = Int(tokens[row])
          if (0..<wordCount).contains(word) {
            hidden[row].update(from: words + word * width, count: width)
          } else {
            hidden[row].update(repeating: 0, count: width)
          }
        }
      }
    }
  }

  /// Adds a row of the table to each of `hidden`.
  private func add(_ rows: [Int], of table: [Float], to hidden: Activations) {
    table.withUnsafeBufferPointer { table in
      guard let table = table.baseAddress else { return }
      for (row, place) in rows.enumerated() {
        kernels.add(hidden[row], table + place * hidden.columns, hidden.columns, hidden[row])
      }
    }
  }
}

/// A table of positions, and which row a token takes.
struct LearntPositions: Sendable {
  /// [positions][D]
  let table: [Float]
  /// Positions begin behind the row of this number, which padding has to itself.
  let paddingID: Int32?

  func rows(of plan: BatchPlan) -> [Int] {
    guard let paddingID else { return plan.positions.map(Int.init) }
    // transformers' create_position_ids_from_input_ids: tokens are counted that are no padding.
    var next = 0
    return zip(plan.tokens, plan.positions).map { token, position in
      if position == 0 { next = Int(paddingID) + 1 }
      guard token != paddingID else { return Int(paddingID) }
      defer { next += 1 }
      return next
    }
  }
}

struct EncoderBlock: Sendable {
  enum Norms: Sendable {
    /// Behind the residual sums.
    case after(attention: NormLayer, output: NormLayer)
    /// In front of attention, if there is one, and of the feed-forward part.
    case before(attention: NormLayer?, feedForward: NormLayer)
  }

  let attention: Attention
  let feedForward: FeedForward
  let norms: Norms

  func apply(
    _ hidden: Activations, plan: BatchPlan, cache: KVCache, workspace: inout Workspace,
    pool: ThreadPool
  ) throws(ModelError) {
    // Keys and values serve one layer only, so that all layers share the cache's single one.
    switch norms {
    case .after(let attentionNorm, let outputNorm):
      try attention.add(
        hidden, to: hidden, plan: plan, cache: cache, layer: 0, workspace: &workspace, pool: pool)
      attentionNorm.apply(hidden, into: hidden, pool: pool)
      try feedForward.add(hidden, to: hidden, workspace: &workspace, pool: pool)
      outputNorm.apply(hidden, into: hidden, pool: pool)
    case .before(let attentionNorm, let feedForwardNorm):
      let normalized = try workspace.activations(
        .normalized, rows: hidden.rows, columns: hidden.columns)
      func filling(_ norm: NormLayer) -> @Sendable (Range<Int>) -> Void {
        { norm.apply(hidden, into: normalized, rows: $0) }
      }
      try attention.add(
        attentionNorm == nil ? hidden : normalized, to: hidden, plan: plan, cache: cache, layer: 0,
        workspace: &workspace, pool: pool, filling: attentionNorm.map(filling))
      try feedForward.add(
        normalized, to: hidden, workspace: &workspace, pool: pool,
        filling: filling(feedForwardNorm))
    }
  }
}

struct Encoder: Sendable {
  let embeddings: EncoderEmbeddings
  /// The rotary embeddings that blocks choose from.
  let rotations: [RotaryFrequencies]
  let blocks: [EncoderBlock]
  let finalNorm: NormLayer?

  /// Activations [T][D] of the last layer.
  func forward(
    _ plan: BatchPlan, types: [UInt8], cache: KVCache, workspace: inout Workspace,
    pool: ThreadPool
  ) throws(ModelError) -> Activations {
    let hidden = try workspace.activations(
      .hidden, rows: plan.tokens.count, columns: embeddings.width)
    embeddings.apply(plan, types: types, into: hidden, pool: pool)
    var plan = plan
    plan.computeRotations(rotations)
    for block in blocks {
      try block.apply(hidden, plan: plan, cache: cache, workspace: &workspace, pool: pool)
    }
    finalNorm?.apply(hidden, into: hidden, pool: pool)
    return hidden
  }
}
