// An encoder whose products are all of bfloat16 pairs and whose tokens all see each other, as BERT's:
// what lies between two products stays in pairs, keys and values included, and each text's attention
// is computed as a whole. Residual sums and norms are float32. Encoders with rotations, windows,
// biases of positions or gates go through `Encoder`.

import CKernels
import Checkpoints
import Compute

struct PairedEncoder: Sendable {
  let embeddings: EncoderEmbeddings
  let blocks: [PairedBlock]

  init?(_ encoder: Encoder) {
    guard encoder.finalNorm == nil, kernels.multiplies_pairs else { return nil }
    embeddings = encoder.embeddings
    blocks = encoder.blocks.compactMap(PairedBlock.init)
    guard blocks.count == encoder.blocks.count else { return nil }
  }

  /// Texts between two layers.
  struct State: Sendable {
    /// [T][D]
    let hidden: Activations
    /// The same in pairs.
    let x: PairedActivations
    /// The rows of each.
    let texts: [Range<Int>]
  }

  /// The embeddings and each layer.
  var stepCount: Int { 1 + blocks.count }

  func embed(
    _ plan: BatchPlan, types: [UInt8], texts: [Range<Int>], workspace: inout Workspace,
    pool: ThreadPool
  ) throws(ModelError) -> State {
    let hidden = try workspace.activations(
      .hidden, rows: plan.tokens.count, columns: embeddings.width)
    let x = try workspace.pairs(
      .normalized, rows: hidden.rows, columns: hidden.columns)
    embeddings.apply(plan, types: types, into: hidden, pool: pool)
    x.round(hidden, after: nil, pool: pool)
    return State(hidden: hidden, x: x, texts: texts)
  }

  func apply(
    layer: Int, to state: State, workspace: inout Workspace, pool: ThreadPool
  ) throws(ModelError) {
    try blocks[layer].apply(
      state.x, state.hidden, texts: state.texts, workspace: &workspace, pool: pool)
  }
}

/// Norms follow the residual sums.
struct PairedBlock: Sendable {
  private let query, key, value, output, up, down: Linear
  private let headCount, headDimension: Int
  private let scale: Float
  private let attentionNorm, outputNorm: NormLayer

  /// Queries of one unit of work, beside which packing keys and values is little.
  private static let pieceTokens = 256

  init?(_ block: EncoderBlock) {
    let attention = block.attention
    guard case .after(let attentionNorm, let outputNorm) = block.norms,
      case .plain(.gelu, let up, let down) = block.feedForward,
      attention.seesWholeTextsOnly, attention.headDimension % Int(MARTLET_GROUP) == 0
    else { return nil }
    (self.attentionNorm, self.outputNorm) = (attentionNorm, outputNorm)
    (self.up, self.down) = (up, down)
    (query, key, value) = (attention.query, attention.key, attention.value)
    output = attention.output
    (headCount, headDimension) = (attention.headCount, attention.headDimension)
    scale = attention.scale
    let all = [query, key, value, output, up, down]
    guard all.allSatisfy({ $0.weight.format == .bfloat16Pairs }) else { return nil }
  }

  /// `x` is `hidden` in pairs, before and afterwards.
  func apply(
    _ x: PairedActivations, _ hidden: Activations, texts: [Range<Int>],
    workspace: inout Workspace, pool: ThreadPool
  ) throws(ModelError) {
    let rows = hidden.rows
    let queries = try workspace.pairs(.query, rows: rows, columns: query.outputCount)
    let keys = try workspace.pairs(.key, rows: rows, columns: key.outputCount)
    let values = try workspace.pairs(.value, rows: rows, columns: value.outputCount)
    let attended = try workspace.pairs(.attended, rows: rows, columns: query.outputCount)
    let inner = try workspace.pairs(.inner, rows: rows, columns: up.outputCount)
    PairedProjection.compute(
      [
        PairedProjection(linear: query, result: .pairs(queries)),
        PairedProjection(linear: key, result: .pairs(keys)),
        PairedProjection(linear: value, result: .pairs(values)),
      ], of: x, pool: pool)
    attend(queries, keys, values, into: attended, texts: texts, pool: pool)
    PairedProjection.compute(
      [PairedProjection(linear: output, result: .sum(hidden))], of: attended, pool: pool)
    x.round(hidden, after: attentionNorm, pool: pool)
    PairedProjection.compute(
      [PairedProjection(linear: up, result: .pairs(inner, activation: MARTLET_GELU))], of: x,
      pool: pool)
    PairedProjection.compute(
      [PairedProjection(linear: down, result: .sum(hidden))], of: inner, pool: pool)
    x.round(hidden, after: outputNorm, pool: pool)
  }

  private func attend(
    _ queries: PairedActivations, _ keys: PairedActivations, _ values: PairedActivations,
    into attended: PairedActivations, texts: [Range<Int>], pool: ThreadPool
  ) {
    let pieces = texts.flatMap { text in
      stride(from: 0, to: text.count, by: Self.pieceTokens).map {
        (text: text, queries: $0..<min(text.count, $0 + Self.pieceTokens))
      }
    }
    let longest = texts.map(\.count).max() ?? 0
    pool.parallelFor(pieces.count * headCount) { units in
      pool.withScratch(byteCount: martlet_text_attention_bytes(headDimension, longest)) { scratch in
        for unit in units {
          let (index, head) = unit.quotientAndRemainder(dividingBy: headCount)
          let piece = pieces[index]
          var call = martlet_text_attention(
            head_dimension: headDimension, head_count: headCount, head: head,
            tokens: queries.rows, first: piece.text.lowerBound, length: piece.text.count,
            query_begin: piece.queries.lowerBound, query_end: piece.queries.upperBound,
            scale: scale, query: queries.base, key: keys.base, value: values.base,
            output: attended.base, scratch: scratch)
          kernels.text_attention(&call)
        }
      }
    }
  }
}

extension PairedActivations {
  /// Normalises `hidden` in place, where there is a norm, and becomes that.
  fileprivate func round(_ hidden: Activations, after norm: NormLayer?, pool: ThreadPool) {
    pool.parallelFor(blockCount) { blocks in
      let size = Self.rowsPerBlock
      let part = blocks.lowerBound * size..<min(rows, blocks.upperBound * size)
      norm?.apply(hidden, into: hidden, rows: part)
      kernels.prepare(
        MARTLET_BFLOAT16_PAIRS, hidden.base, columns, rows, blocks.lowerBound, blocks.upperBound,
        base)
    }
  }
}

extension Attention {
  /// Nothing but products, scale and softmax: all tokens of a text see each other, one key to a query.
  fileprivate var seesWholeTextsOnly: Bool {
    !causal && headCount == keyValueHeadCount && queryNorm == nil && keyNorm == nil
      && rotary == nil && window == 0 && softCap == 0 && slopes == nil && reach == nil
      && positionBias == nil
  }
}
