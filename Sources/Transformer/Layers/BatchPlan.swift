// What all layers need to know about a batch, worked out once per forward pass: where each token
// stands in its sequence and in the KV cache, the angles it is rotated by, and how attention is cut
// into pieces of work. Refuses (as a bug of ours) spans whose blocks don't cover their tokens.

import Compute
import Glibc
import ModelFamilies

struct BatchPlan: Sendable {
  /// A run of tokens of one span that one call of the attention kernel computes.
  struct Piece: Sendable {
    /// Of the first token in the batch.
    var row: Int
    /// Of the first token in its sequence.
    var position: Int
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
  /// How long each token's sequence is, as far as it is known.
  private(set) var lengths: [Int] = []
  private(set) var places: [Place] = []
  private(set) var pieces: [Piece] = []
  /// The block tables of all spans, one after the other.
  private(set) var blockTable: [Int32] = []
  /// Rows of the batch whose logits are wanted.
  private(set) var selectedRows: [Int] = []
  /// One for each of the model's rotary embeddings.
  private(set) var rotations: [Rotation] = []

  /// The angles that tokens are turned by.
  struct Rotation: Sendable {
    var pairCount: Int
    /// [T][pairCount] each.
    var cosines: [Float] = []
    var sines: [Float] = []
  }
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
      lengths.append(max(end, span.sequenceLength))
    }
    tokens.append(contentsOf: span.tokens)
    blockTable.append(contentsOf: span.blocks)
    for offset in stride(from: 0, to: span.tokens.count, by: Self.pieceTokens) {
      pieces.append(
        Piece(
          row: firstRow + offset, position: span.start + offset,
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

  mutating func computeRotations(_ frequencies: [RotaryFrequencies]) {
    rotations = frequencies.map(rotation)
  }

  /// The angles of all tokens, as transformers computes them: float32 products, then cosine, sine.
  private func rotation(_ frequencies: RotaryFrequencies) -> Rotation {
    var result = Rotation(pairCount: frequencies.pairCount)
    let magnitude = frequencies.magnitude
    result.cosines.reserveCapacity(positions.count * result.pairCount)
    result.sines.reserveCapacity(positions.count * result.pairCount)
    for (position, length) in zip(positions, lengths) {
      for frequency in frequencies.values(position: Int(position), length: length) {
        let angle = Float(position) * frequency
        result.cosines.append(cosf(angle) * magnitude)
        result.sines.append(sinf(angle) * magnitude)
      }
    }
    return result
  }
}

/// The frequencies of one rotary embedding, as far as they can be worked out beforehand.
struct RotaryFrequencies: Sendable {
  private let embedding: RotaryEmbedding
  private let usual: [Float]
  /// Of sequences beyond the length from which on others apply.
  private let long: [Float]?

  init(_ embedding: RotaryEmbedding) {
    self.embedding = embedding
    usual = embedding.inverseFrequencies
    long = embedding.lengthLimit.flatMap {
      embedding.inverseFrequencies(position: 0, length: $0 + 1)
    }
  }

  var pairCount: Int { usual.count }
  var magnitude: Float { embedding.magnitude }

  func values(position: Int, length: Int) -> [Float] {
    if let long, let limit = embedding.lengthLimit { return length > limit ? long : usual }
    return embedding.inverseFrequencies(position: position, length: length) ?? usual
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
