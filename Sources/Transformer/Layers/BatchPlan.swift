// What all layers need to know about a batch, worked out once per forward pass: where each token
// stands in its sequence and in the KV cache, the angles it is rotated by, and how attention is cut
// into pieces of work. Refuses (as a bug of ours) spans whose blocks don't cover their tokens.

import Compute
import Glibc

struct BatchPlan: Sendable {
  /// A run of tokens of one span that one call of the attention kernel computes.
  struct Piece: Sendable {
    /// Of the first token in the batch.
    var row: Int
    var tokenCount: Int
    /// Positions that the first token sees.
    var visibleLength: Int
    /// Where the span's block table begins in `blockTable`.
    var tableStart: Int
  }

  /// Where a token's key and value are stored.
  struct Place: Sendable {
    var block: Int
    var slot: Int
  }

  /// Tokens of one piece: enough to use a loaded block of keys well, few enough to share the work.
  static let pieceTokens = 16

  private(set) var tokens: [Int32] = []
  private(set) var positions: [Int32] = []
  private(set) var places: [Place] = []
  private(set) var pieces: [Piece] = []
  /// The block tables of all spans, one after the other.
  private(set) var blockTable: [Int32] = []
  /// Rows of the batch whose logits are wanted.
  private(set) var selectedRows: [Int] = []
  /// [T][d/2] each; empty without rotary embedding.
  private(set) var cosines: [Float] = []
  private(set) var sines: [Float] = []
  /// Rows of the batch that go through adapters, in order.
  private(set) var adapterRuns: [AdapterRun] = []
  /// The same of `selectedRows`.
  private(set) var selectedAdapterRuns: [AdapterRun] = []
  /// Rows whose keys and values are an adapter's.
  private(set) var prefixes: [Int: KeyValuePrefix] = [:]

  init(_ batch: Batch, causal: Bool, blockCount: Int) {
    let count = batch.tokenCount
    tokens.reserveCapacity(count)
    positions.reserveCapacity(count)
    places.reserveCapacity(count)
    for span in batch.spans { append(span, causal: causal, blockCount: blockCount) }
  }

  private mutating func append(_ span: Batch.Span, causal: Bool, blockCount: Int) {
    let end = span.start + span.tokens.count
    precondition(span.start >= 0 && (0...span.tokens.count).contains(span.logitCount))
    precondition(end <= span.blocks.count * KVCache.blockSize, "KV blocks don't cover the span")
    precondition(span.blocks.allSatisfy { (0..<blockCount).contains(Int($0)) }, "no such KV block")
    let firstRow = tokens.count
    let tableStart = blockTable.count
    for position in span.start..<end {
      let (index, slot) = position.quotientAndRemainder(dividingBy: KVCache.blockSize)
      places.append(Place(block: Int(span.blocks[index]), slot: slot))
      positions.append(Int32(position))
    }
    tokens.append(contentsOf: span.tokens)
    blockTable.append(contentsOf: span.blocks)
    for offset in stride(from: 0, to: span.tokens.count, by: Self.pieceTokens) {
      pieces.append(
        Piece(
          row: firstRow + offset,
          tokenCount: min(Self.pieceTokens, span.tokens.count - offset),
          visibleLength: causal ? span.start + offset + 1 : end,
          tableStart: tableStart))
    }
    let selected = selectedRows.count..<selectedRows.count + span.logitCount
    selectedRows.append(contentsOf: (tokens.count - span.logitCount)..<tokens.count)
    guard let adapter = span.adapter else { return }
    adapterRuns.append(adapter, firstRow..<tokens.count)
    selectedAdapterRuns.append(adapter, selected)
    guard let prefix = adapter.prefix else { return }
    for row in firstRow..<tokens.count where Int(positions[row]) < prefix.tokenCount {
      prefixes[row] = prefix
    }
  }

  /// The angles of all tokens, as transformers computes them: float32 products, then cosine, sine.
  mutating func computeRotation(inverseFrequencies: [Float]) {
    cosines.reserveCapacity(positions.count * inverseFrequencies.count)
    sines.reserveCapacity(positions.count * inverseFrequencies.count)
    for position in positions {
      for frequency in inverseFrequencies {
        let angle = Float(position) * frequency
        cosines.append(cosf(angle))
        sines.append(sinf(angle))
      }
    }
  }
}

extension [AdapterRun] {
  /// Rows that follow the last ones go through an adapter together with them where it is the same.
  fileprivate mutating func append(_ adapter: Adapter, _ rows: Range<Int>) {
    guard !rows.isEmpty else { return }
    if let last, last.adapter === adapter, last.rows.upperBound == rows.lowerBound {
      self[count - 1] = AdapterRun(adapter: adapter, rows: last.rows.lowerBound..<rows.upperBound)
    } else {
      append(AdapterRun(adapter: adapter, rows: rows))
    }
  }
}
