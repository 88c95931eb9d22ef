// Chooses the next token from a row of logits. The order is fixed: logit bias, repetition penalty,
// presence and frequency penalties, temperature, top-k, top-p, min-p. Relies on validated
// parameters: finite penalties can't hide a row's NaN or infinity, which `LogitRow` refuses.

/// Memory that sampling reuses from token to token; one per engine thread.
package struct SamplingScratch {
  fileprivate var logits: [Float] = []

  package init() {}
}

/// The sampler of one sequence.
package struct Sampler: Sendable {
  private let isGreedy: Bool
  private let temperature: Float
  private let processors: [any LogitsProcessor]
  private let filters: [any CandidateFilter]
  private let seed: UInt64
  private let choice: UInt32

  /// Whether any processor reads the history; if not, nobody needs to keep one.
  package let usesHistory: Bool

  /// `seed` is the request's or a random one.
  package init(_ parameters: SamplingParameters, seed: UInt64, choice: Int = 0) {
    isGreedy = parameters.isGreedy
    temperature = parameters.temperature
    processors = Self.processors(parameters)
    filters = Self.filters(parameters)
    self.seed = seed
    self.choice = UInt32(truncatingIfNeeded: choice)
    usesHistory =
      parameters.repetitionPenalty != 1 || parameters.presencePenalty != 0
      || parameters.frequencyPenalty != 0
  }

  private static func processors(_ parameters: SamplingParameters) -> [any LogitsProcessor] {
    var processors: [any LogitsProcessor] = []
    if !parameters.logitBias.isEmpty {
      processors.append(LogitBias(bias: parameters.logitBias))
    }
    if parameters.repetitionPenalty != 1 {
      processors.append(RepetitionPenalty(penalty: parameters.repetitionPenalty))
    }
    if parameters.presencePenalty != 0 || parameters.frequencyPenalty != 0 {
      processors.append(
        OccurrencePenalty(
          presence: parameters.presencePenalty, frequency: parameters.frequencyPenalty))
    }
    return processors
  }

  private static func filters(_ parameters: SamplingParameters) -> [any CandidateFilter] {
    var filters: [any CandidateFilter] = []
    if parameters.topK > 0 { filters.append(TopK(count: parameters.topK)) }
    if parameters.topP < 1 { filters.append(TopP(probability: parameters.topP)) }
    if parameters.minP > 0 { filters.append(MinP(share: parameters.minP)) }
    return filters
  }

  /// The token for `position`, the index that it will have in its sequence.
  package func sample(
    _ row: UnsafeBufferPointer<Float>, history: TokenHistory, position: Int,
    scratch: inout SamplingScratch
  ) throws(InferenceError) -> Int32 {
    guard !processors.isEmpty else { return choose(from: try LogitRow(row), position: position) }
    process(row, history: history, scratch: &scratch)
    return try scratch.logits.withUnsafeBufferPointer { logits throws(InferenceError) in
      choose(from: try LogitRow(logits), position: position)
    }
  }

  private func choose(from row: LogitRow, position: Int) -> Int32 {
    // A score beyond float32 leaves nothing to compare it with.
    guard !isGreedy, (row.maximum / temperature).isFinite else { return row.best }
    let uniform = Philox.uniform(
      seed: seed, choice: choice, position: UInt64(truncatingIfNeeded: position))
    guard !filters.isEmpty else {
      return row.choose(uniform: uniform, temperature: temperature)
    }
    return candidates(row).choose(uniform: uniform) ?? row.best
  }

  /// The probabilities `[V]` that `sample` draws from, for tests and for inspection.
  package func distribution(
    _ row: UnsafeBufferPointer<Float>, history: TokenHistory
  ) throws(InferenceError) -> [Double] {
    var scratch = SamplingScratch()
    process(row, history: history, scratch: &scratch)
    return try scratch.logits.withUnsafeBufferPointer { logits throws(InferenceError) in
      let row = try LogitRow(logits)
      var probabilities = [Double](repeating: 0, count: logits.count)
      guard !isGreedy else {
        probabilities[Int(row.best)] = 1
        return probabilities
      }
      let candidates = candidates(row)
      let total = candidates.mass
      for token in candidates.tokens {
        probabilities[Int(token.id)] = Double(token.weight) / total
      }
      return probabilities
    }
  }

  private func process(
    _ row: UnsafeBufferPointer<Float>, history: TokenHistory, scratch: inout SamplingScratch
  ) {
    scratch.logits.removeAll(keepingCapacity: true)
    scratch.logits.append(contentsOf: row)
    for processor in processors {
      processor.process(&scratch.logits, history: history)
    }
  }

  /// What the filters leave of a row.
  private func candidates(_ row: LogitRow) -> Candidates {
    var candidates =
      filters.first?.shortlist(of: row, temperature: temperature)
      ?? Candidates(row, temperature: temperature, scoringAtLeast: -.infinity)
    for filter in filters { filter.filter(&candidates) }
    return candidates
  }
}
