// A deterministic stand-in for a language model: its logits are a hash of all tokens so far, which
// it reads back from its paged cache. A wrong block table, a lost block or a shifted position gives
// other logits, so equality of outputs proves that scheduling is sound.

import Inference
import Synchronization
import Transformer

/// What a forward pass of the fake may be told to do.
struct ForwardFailure: Error {}

final class FakeModel: LanguageModel {
  let vocabularySize: Int
  let contextLength: Int
  let blockSize: Int
  let kvBytesPerBlock = 1_024
  let endOfSequenceTokens: Set<Int32>
  /// Called before each pass, on the engine's thread.
  private let onForward: @Sendable (Batch) throws -> Void
  /// Rewrites a row `[V]`, given the tokens so far.
  private let adjust: @Sendable ([Int32], inout [Float]) -> Void

  init(
    vocabularySize: Int = 50, contextLength: Int = 256, blockSize: Int = 4,
    endOfSequenceTokens: Set<Int32> = [],
    onForward: @escaping @Sendable (Batch) throws -> Void = { _ in },
    adjust: @escaping @Sendable ([Int32], inout [Float]) -> Void = { _, _ in }
  ) {
    self.vocabularySize = vocabularySize
    self.contextLength = contextLength
    self.blockSize = blockSize
    self.endOfSequenceTokens = endOfSequenceTokens
    self.onForward = onForward
    self.adjust = adjust
  }

  /// The tokens held by each slot of each block.
  final class Cache: Sendable {
    let slots: Mutex<[Int32]>
    init(count: Int) { slots = Mutex(Array(repeating: -1, count: count)) }
  }

  func makeKVCache(blockCount: Int) -> Cache {
    Cache(count: blockCount * blockSize)
  }

  func copyBlock(from source: Int32, to target: Int32, in cache: Cache) {
    cache.slots.withLock { slots in
      for slot in 0..<blockSize {
        slots[Int(target) * blockSize + slot] = slots[Int(source) * blockSize + slot]
      }
    }
  }

  func forward(
    _ batch: Batch, cache: Cache, logits: UnsafeMutableBufferPointer<Float>
  ) throws {
    try onForward(batch)
    var row = 0
    for span in batch.spans {
      let tokens = cache.slots.withLock { store(span, in: &$0) }
      let end = span.start + span.tokens.count
      for position in end - span.logitCount..<end {
        let values = expectedLogits(after: Array(tokens[...position]))
        for (offset, value) in values.enumerated() {
          logits[row * vocabularySize + offset] = value
        }
        row += 1
      }
    }
  }

  /// Writes the span's tokens to their slots and reads back the whole sequence.
  private func store(_ span: Batch.Span, in slots: inout [Int32]) -> [Int32] {
    func slot(_ position: Int) -> Int {
      Int(span.blocks[position / blockSize]) * blockSize + position % blockSize
    }
    for (offset, token) in span.tokens.enumerated() { slots[slot(span.start + offset)] = token }
    return (0..<span.start + span.tokens.count).map { slots[slot($0)] }
  }

  func expectedLogits(after tokens: [Int32]) -> [Float] {
    var state: UInt64 = 0x9E37_79B9_7F4A_7C15
    for token in tokens { state = (state ^ UInt64(bitPattern: Int64(token))) &* 0x100_0000_01B3 }
    var values: [Float] = (0..<vocabularySize).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(state >> 40) / Float(1 << 24) * 8 - 4
    }
    adjust(tokens, &values)
    return values
  }

  /// The greedy continuation of a prompt, computed without any engine.
  func greedy(_ prompt: [Int32], count: Int) -> [Int32] {
    var tokens = prompt
    for _ in 0..<count {
      let values = expectedLogits(after: tokens)
      var best = 0
      for index in values.indices where values[index] > values[best] { best = index }
      tokens.append(Int32(best))
    }
    return Array(tokens[prompt.count...])
  }
}
