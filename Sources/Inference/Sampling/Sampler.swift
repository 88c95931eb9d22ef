// Chooses the next token from a row of logits. The order is fixed: logit bias, repetition penalty,
// presence and frequency penalties, temperature, top-k, top-p, min-p. Relies on validated
// parameters; refuses rows with NaN or plus infinity, since any choice from them would be noise.

/// Memory that sampling reuses from token to token; one per engine thread.
package struct SamplingScratch {
  fileprivate var logits: [Float] = []
  fileprivate var candidates = Candidates()

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
    if isGreedy && processors.isEmpty { return try argmax(row) }
    // The row is checked before the penalties, which could hide its NaN or infinity.
    _ = try argmax(row)
    process(row, history: history, scratch: &scratch)
    let best = try argmax(scratch.logits)
    if isGreedy { return best }
    narrow(&scratch)
    let uniform = Philox.uniform(
      seed: seed, choice: choice, position: UInt64(truncatingIfNeeded: position))
    return scratch.candidates.choose(uniform: uniform) ?? best
  }

  /// The probabilities `[V]` that `sample` draws from, for tests and for inspection.
  package func distribution(
    _ row: UnsafeBufferPointer<Float>, history: TokenHistory
  ) throws(InferenceError) -> [Double] {
    var scratch = SamplingScratch()
    process(row, history: history, scratch: &scratch)
    var probabilities = [Double](repeating: 0, count: row.count)
    let best = try argmax(scratch.logits)
    guard !isGreedy else {
      probabilities[Int(best)] = 1
      return probabilities
    }
    narrow(&scratch)
    let candidates = scratch.candidates
    let weights = candidates.scores.map { Double(candidates.weight($0)) }
    let total = weights.reduce(0, +)
    for (id, weight) in zip(candidates.ids, weights) {
      probabilities[Int(id)] = weight / total
    }
    return probabilities
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

  private func narrow(_ scratch: inout SamplingScratch) {
    scratch.candidates.reset(scratch.logits, temperature: temperature)
    for filter in filters {
      filter.filter(&scratch.candidates)
    }
  }

  /// The largest logit's token, of equals the lowest.
  private func argmax(_ logits: some Collection<Float>) throws(InferenceError) -> Int32 {
    var best: Int32?
    var maximum = -Float.infinity
    for (token, logit) in zip(Int32(0)..., logits) {
      // False for NaN and for plus infinity.
      guard logit < .infinity else {
        throw .nonFiniteLogits(token: Int(token), value: "\(logit)")
      }
      if logit > maximum {
        maximum = logit
        best = token
      }
    }
    guard let best else { throw .noCandidates }
    return best
  }
}
