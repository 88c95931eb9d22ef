// Drafts from a smaller model of the same vocabulary. It has a KV cache of its own, in which each
// sequence catches up when drafts are wanted of it, a piece per step, and from which wrong drafts are
// dropped. A sequence for which there is no room goes without drafts.

import Transformer

/// A wish for drafts of one sequence, and what came of it.
struct DraftOrder {
  let id: SequenceState.ID
  /// Prompt and output.
  let tokens: [Int32]
  /// Those of an adapter that come before them, of which a draft model knows nothing.
  var virtualTokenCount = 0
  let count: Int
  /// Draws as the sequence's own sampler will, which with the same random number mostly gives the
  /// same token where the models agree.
  var sampler: DraftSampler
  var drafts: [Int32] = []
}

/// A sequence's sampler, with a history that drafts may be added to.
struct DraftSampler {
  let sampler: Sampler
  var history: TokenHistory

  /// Nothing where the model's logits are no numbers.
  mutating func next(
    _ row: UnsafeBufferPointer<Float>, position: Int, scratch: inout SamplingScratch
  ) -> Int32? {
    do throws(InferenceError) {
      let token = try sampler.sample(
        row, history: history, position: position, scratch: &scratch)
      if sampler.usesHistory { history.append(token) }
      return token
    } catch {
      return nil
    }
  }
}

/// A draft model with a KV cache, on its way to the engine's thread.
struct DraftSource: Sendable {
  let model: CachedModel
  let vocabularySize: Int
  let contextLength: Int
  let blockCount: Int
  let blockSize: Int

  /// - Parameter tokenCapacity: what the cache holds, over all sequences.
  init(_ model: some LanguageModel, tokenCapacity: Int) throws(InferenceError) {
    vocabularySize = model.vocabularySize
    contextLength = model.contextLength
    blockSize = model.blockSize
    blockCount = (tokenCapacity + model.blockSize - 1) / model.blockSize
    self.model = try model.withCache(blockCount: blockCount)
  }
}

/// A model that drafts, and what it has computed of which sequence.
struct DraftModel: ~Copyable {
  /// Tokens of all sequences that are caught up with in one step.
  private static let tokensPerStep = 256

  private struct State {
    /// Those in the cache.
    var tokens: [Int32] = []
    var blocks: [Int32] = []
  }

  private let runner: ModelRunner
  private let contextLength: Int
  private(set) var blocks: BlockManager
  private var states: [SequenceState.ID: State] = [:]
  /// A row of logits as wide as the sequences' own model's.
  private var row: [Float]

  /// - Parameter vocabularySize: of the model that is drafted for. Models of one tokenizer differ in
  ///   how many ids without a token they have logits for.
  init(_ source: DraftSource, maximumSequences: Int, vocabularySize: Int) {
    runner = ModelRunner(
      vocabularySize: source.vocabularySize, maximumRows: maximumSequences, model: source.model)
    contextLength = source.contextLength
    blocks = BlockManager(blockCount: source.blockCount, blockSize: source.blockSize)
    row = [Float](repeating: -.infinity, count: vocabularySize)
  }

  /// Drafts as many tokens of each order as it asks for, or none where the sequence has yet to be
  /// caught up with. Answers whether no more was computed than drafting always takes.
  mutating func fill(_ orders: inout [DraftOrder], scratch: inout SamplingScratch) -> Bool {
    for order in orders where order.count > 0 { rewind(order) }
    var open = orders.indices.filter { orders[$0].count > 0 }
    var budget = Self.tokensPerStep
    var isTypical = true
    while !open.isEmpty {
      var plan = StepPlan()
      var planned: [Int] = []
      for index in open {
        guard let entry = entry(for: orders[index], budget: budget) else { continue }
        // After drafts that all came true, the last of them and one more token are missing.
        let extra = max(0, entry.span.tokens.count - 2)
        budget -= extra
        if extra > 0 { isTypical = false }
        plan.entries.append(entry)
        planned.append(index)
      }
      open = []
      guard !planned.isEmpty else { break }
      let results = runner.run(plan)
      for (index, (entry, result)) in zip(planned, zip(plan.entries, results)) {
        let isOpen = take(result, of: entry, into: &orders[index], scratch: &scratch)
        if isOpen, orders[index].drafts.count < orders[index].count { open.append(index) }
      }
    }
    return isTypical
  }

  mutating func forget(_ id: SequenceState.ID) {
    guard var state = states.removeValue(forKey: id) else { return }
    blocks.release(&state.blocks)
  }

  /// Drops what is in the cache from the first token on that turned out otherwise.
  private mutating func rewind(_ order: DraftOrder) {
    var state = states[order.id] ?? State()
    let common = zip(state.tokens, order.tokens).prefix { $0 == $1 }.count
    // The last token is computed again if need be: what follows it is wanted.
    state.tokens.removeLast(state.tokens.count - min(common, order.tokens.count - 1))
    blocks.shrink(&state.blocks, toHold: state.tokens.count)
    states[order.id] = state
  }

  /// The tokens of a sequence that are missing in the cache, no more than the budget has; nil where
  /// there is no room for them.
  private mutating func entry(for order: DraftOrder, budget: Int) -> StepPlan.Entry? {
    guard var state = states[order.id] else { return nil }
    let tokens = order.tokens + order.drafts
    let start = state.tokens.count
    let end = min(tokens.count, start + max(1, budget))
    guard tokens.count < contextLength, blocks.extend(&state.blocks, toHold: end) else {
      forget(order.id)
      return nil
    }
    states[order.id] = state
    return StepPlan.Entry(
      id: order.id,
      span: Batch.Span(
        tokens: Array(tokens[start..<end]), start: start, blocks: state.blocks,
        logitCount: end == tokens.count ? 1 : 0),
      reachesEnd: end == tokens.count, isStream: end - start == 1)
  }

  /// Notes what was computed and drafts a token if that can be; answers whether it was.
  private mutating func take(
    _ result: Result<LogitRows, InferenceError>, of entry: StepPlan.Entry,
    into order: inout DraftOrder, scratch: inout SamplingScratch
  ) -> Bool {
    guard case .success(let rows) = result else {
      forget(entry.id)
      return false
    }
    states[entry.id]?.tokens += entry.span.tokens
    guard entry.reachesEnd else { return false }
    let width = min(row.count, rows.width)
    row.replaceSubrange(..<width, with: rows[0][..<width])
    let position = order.virtualTokenCount + order.tokens.count + order.drafts.count
    let token = row.withUnsafeBufferPointer {
      order.sampler.next($0, position: position, scratch: &scratch)
    }
    if let token { order.drafts.append(token) }
    return token != nil
  }
}
