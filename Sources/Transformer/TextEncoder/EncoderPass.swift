// Sequences through an encoder's layers, or a decoder's, several side by side, with the memory that
// takes. One pass at a time; a sequence's activations are the same bit for bit whatever is beside it.

import Checkpoints
import Compute
import ModelFamilies
import Synchronization

/// A text or a pair of them, with special tokens.
package struct EncoderInput: Sendable, Hashable {
  package var ids: [Int32]
  /// Of every token, 0 or 1; empty: all 0.
  package var types: [UInt8]

  package init(ids: [Int32], types: [UInt8] = []) {
    precondition(types.isEmpty || types.count == ids.count)
    self.ids = ids
    self.types = types
  }

  func prefix(_ count: Int) -> EncoderInput {
    EncoderInput(ids: Array(ids.prefix(count)), types: Array(types.prefix(count)))
  }

  /// Of all tokens of several inputs; empty where all are 0.
  static func types(of inputs: some Collection<EncoderInput>) -> [UInt8] {
    guard inputs.contains(where: { !$0.types.isEmpty }) else { return [] }
    return inputs.flatMap {
      $0.types.isEmpty ? Array(repeating: 0, count: $0.ids.count) : $0.types
    }
  }
}

final class EncoderPass: Sendable {
  /// All threads compute these together.
  private enum Layers: Sendable {
    case encoder(Encoder)
    case decoder(DecoderLayers)
  }

  private let layers: Layers
  /// Computes everything in their place where the encoder can be paired.
  private let paired: PairedPass?
  private let maximumTokens: Int
  private let cacheLayout: KVCache.Layout
  private let pool: ThreadPool
  private let state = Mutex(State())

  private struct State {
    var workspace = Workspace()
    var cache: KVCache?
  }

  /// Tokens that go through the layers together: enough to use each weight well.
  private static let tokensPerPass = 1024

  init(
    encoder: Encoder, configuration: TextEncoderConfiguration, maximumTokens: Int, pool: ThreadPool
  ) {
    layers = .encoder(encoder)
    paired = PairedEncoder(encoder).map { PairedPass(encoder: $0, pool: pool) }
    self.maximumTokens = maximumTokens
    self.pool = pool
    cacheLayout = KVCache.Layout(
      layerCount: 1, keyValueHeadCount: configuration.headCount,
      headDimension: configuration.headDimension, halfPrecision: false)
  }

  init(decoder: DecoderLayers, maximumTokens: Int, pool: ThreadPool) {
    layers = .decoder(decoder)
    paired = nil
    self.maximumTokens = maximumTokens
    self.pool = pool
    let c = decoder.configuration
    cacheLayout = KVCache.Layout(
      layerCount: 1, keyValueHeadCount: c.keyValueHeadCount, headDimension: c.headDimension,
      halfPrecision: false)
  }

  /// Whether its layers are those of a `PairedEncoder`.
  var keepsPairs: Bool { paired != nil }

  /// What `body` makes of the activations [count][D] of each input, of which at most `maximumTokens`
  /// are computed; nil for an input without tokens. Throws only where memory runs out.
  func run<Result: Sendable>(
    _ inputs: [EncoderInput],
    _ body: @Sendable (_ rows: UnsafePointer<Float>, _ count: Int) -> Result
  ) throws(ModelError) -> [Result?] {
    if let paired { return try paired.run(inputs.map { $0.prefix(maximumTokens) }, body) }
    var results: [Result?] = []
    results.reserveCapacity(inputs.count)
    var first = 0
    while first < inputs.count {
      var (end, tokenCount) = (first, 0)
      repeat {
        tokenCount += min(inputs[end].ids.count, maximumTokens)
        end += 1
      } while end < inputs.count
        && tokenCount + min(inputs[end].ids.count, maximumTokens) <= Self.tokensPerPass
      let part = inputs[first..<end].map { $0.prefix(maximumTokens) }
      try results.append(contentsOf: runTogether(part, body))
      first = end
    }
    return results
  }

  private func runTogether<Result: Sendable>(
    _ inputs: [EncoderInput], _ body: @Sendable (UnsafePointer<Float>, Int) -> Result
  ) throws(ModelError) -> [Result?] {
    let batch = Self.packed(inputs.map(\.ids))
    let blockCount = batch.spans.reduce(0) { $0 + $1.blocks.count }
    guard blockCount > 0 else { return inputs.map { _ in nil } }
    let types = EncoderInput.types(of: inputs)
    return try state.withLock { (state) throws(ModelError) in
      let cache = try cache(blockCount: blockCount, in: &state)
      let hidden = try forward(batch, types: types, cache: cache, workspace: &state.workspace)
      var row = 0
      return inputs.map { input in
        defer { row += input.ids.count }
        return input.ids.isEmpty ? nil : body(hidden[row], input.ids.count)
      }
    }
  }

  private func forward(
    _ batch: Batch, types: [UInt8], cache: KVCache, workspace: inout Workspace
  ) throws(ModelError) -> Activations {
    switch layers {
    case .encoder(let encoder):
      let plan = BatchPlan(batch, causal: false, blockCount: cache.blockCount)
      return try encoder.forward(
        plan, types: types, cache: cache, workspace: &workspace, pool: pool)
    case .decoder(let layers):
      var plan = BatchPlan(batch, causal: true, blockCount: cache.blockCount)
      plan.computeRotations(layers.rotations)
      return try layers.decoder.hiddenStates(
        plan, cache: cache, workspace: &workspace, pool: pool)
    }
  }

  /// A span per text, with KV blocks of its own in order.
  static func packed(_ texts: [[Int32]]) -> Batch {
    var next: Int32 = 0
    return Batch(
      spans: texts.map { text in
        let count = Int32((text.count + KVCache.blockSize - 1) / KVCache.blockSize)
        defer { next += count }
        return Batch.Span(
          tokens: text, start: 0, blocks: Array(next..<next + count), logitCount: 0)
      })
  }

  private func cache(blockCount: Int, in state: inout State) throws(ModelError) -> KVCache {
    if let cache = state.cache, cache.blockCount >= blockCount { return cache }
    state.cache = nil  // frees the smaller one first
    let cache = try KVCache(layout: cacheLayout, blockCount: blockCount)
    state.cache = cache
    return cache
  }
}
