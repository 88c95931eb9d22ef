// A request on its way through the engine: its sampler, what it has produced and its stopwatch.
// Lives on the engine's thread; turns rows of logits into events for the request's consumer.

import Transformer

/// The engine's side of one generation.
struct ActiveRequest {
  typealias Continuation = AsyncThrowingStream<GenerationEvent, any Error>.Continuation

  let request: GenerationRequest
  /// Of its sequences: one per prompt, in their order, from the request's own id on.
  let sequenceIDs: ClosedRange<SequenceState.ID>
  let continuation: Continuation
  private let sampler: Sampler
  private let stopTokens: Set<Int32>
  /// The most tokens that request and context leave room for.
  private let maximumTokens: Int
  private var history: TokenHistory
  private var lookupDrafts = LookupDrafts()
  private var modelDrafts = ModelDrafts()
  private var promptLogprobs: [GeneratedToken] = []
  /// How many tokens each prompt has, and how far into it spans have come.
  private var promptProgress: [(count: Int, reached: Int)]
  private(set) var usage: GenerationUsage
  private var stopwatch: Stopwatch

  init(_ submission: Submission, endOfSequenceTokens: Set<Int32>, contextLength: Int) {
    request = submission.request
    sequenceIDs = submission.id...submission.id + SequenceState.ID(request.prompts.count - 1)
    continuation = submission.continuation
    sampler = Sampler(request.sampling, seed: submission.seed, choice: request.choice)
    stopTokens =
      request.ignoreEndOfSequence
      ? request.stopTokens : request.stopTokens.union(endOfSequenceTokens)
    maximumTokens = min(
      request.maximumTokens,
      contextLength - request.virtualTokenCount - request.longestPromptCount)
    history = TokenHistory(prompt: sampler.usesHistory ? request.prompts.flatMap(\.self) : [])
    usage = GenerationUsage(promptTokens: request.promptTokenCount)
    promptProgress = request.prompts.map { ($0.count, 0) }
    stopwatch = Stopwatch(submitted: submission.submitted)
  }

  /// Whether there is anything to compute at all.
  var needsModel: Bool { maximumTokens > 0 || wantsPromptLogprobs }

  var wantsPromptLogprobs: Bool { request.echoPromptLogprobs && request.logprobs != nil }

  /// What becomes of the sequence after a step.
  enum Outcome {
    /// More of its tokens have to be computed first.
    case unfinished
    /// Goes on with these tokens: drafts that came true, and one more.
    case extended([Int32])
    /// With the step's tokens, so that the cache knows those before the last.
    case finished(FinishReason, [Int32])
  }

  mutating func noteScheduled(at now: ContinuousClock.Instant) {
    stopwatch.noteScheduled(at: now)
    usage.queueSeconds = stopwatch.queueSeconds
  }

  mutating func notePreempted() {
    usage.preemptions += 1
  }

  /// The sequences that compute it.
  var sequences: [SequenceState] {
    zip(sequenceIDs, request.prompts).map { id, prompt in
      SequenceState(
        id: id, prompt: prompt, wantsPromptLogits: wantsPromptLogprobs,
        promptLogitsStart: max(0, request.echoStart - 1),
        namespace: request.adapter?.id ?? 0, adapter: request.adapter,
        group: request.mixture == nil ? nil : sequenceIDs.lowerBound)
    }
  }

  /// How many prompt tokens `entry` computes for the first time, and how many before it came from
  /// the cache instead.
  mutating func notePromptTokens(of entry: StepPlan.Entry) -> (computed: Int, cached: Int) {
    let (span, member) = (entry.span, Int(entry.id - sequenceIDs.lowerBound))
    let (promptCount, reached) = promptProgress[member]
    let start = promptIndex(span.start, promptCount)
    let end = promptIndex(span.start + span.tokens.count, promptCount)
    let cached = max(0, start - reached)
    let computed = max(0, end - max(start, reached))
    promptProgress[member].reached = max(end, reached)
    usage.cachedTokens += cached
    return (computed, cached)
  }

  /// Where a position of the sequence is in the prompt, which virtual tokens come before.
  private func promptIndex(_ position: Int, _ promptCount: Int) -> Int {
    min(max(0, position - request.virtualTokenCount), promptCount)
  }

  /// The most drafts that can be of use: each lets one more token be sampled than without.
  private var draftLimit: Int { maximumTokens - usage.completionTokens - 1 }

  /// Guesses at what follows `tokens`, no more than are worth computing.
  mutating func lookUpDrafts(
    after tokens: [Int32], cost: DraftCost, sequenceCount: Int
  ) -> [Int32] {
    lookupDrafts.propose(
      after: tokens, limit: draftLimit, cost: cost, sequenceCount: sequenceCount)
  }

  /// What a draft model should guess.
  mutating func orderDrafts(
    after sequence: SequenceState, cost: DraftCost, sequenceCount: Int
  ) -> DraftOrder {
    let count = modelDrafts.count(limit: draftLimit, cost: cost, sequenceCount: sequenceCount)
    return DraftOrder(
      id: sequence.id, tokens: Array(sequence.tokens.dropFirst(request.virtualTokenCount)),
      virtualTokenCount: request.virtualTokenCount, count: count,
      sampler: DraftSampler(sampler: sampler, history: history))
  }

  /// Takes the rows of `entry`: log probabilities of the prompt first, then the next tokens.
  mutating func accept(
    _ rows: LogitRows, of entry: StepPlan.Entry, now: ContinuousClock.Instant,
    scratch: inout SamplingScratch
  ) throws(InferenceError) -> Outcome {
    try collectPromptLogprobs(rows, of: entry.span)
    guard entry.reachesEnd else { return .unfinished }
    guard maximumTokens > 0 else { return .finished(.length, []) }
    return try sampleTokens(rows, of: entry, now: now, scratch: &scratch)
  }

  /// Takes the rows of all of its sequences, in their order, which were computed in one step.
  /// - Parameter entry: of the first of them, whose position counts.
  mutating func accept(
    mixing rows: [UnsafeBufferPointer<Float>], of entry: StepPlan.Entry,
    now: ContinuousClock.Instant, scratch: inout SamplingScratch
  ) throws(InferenceError) -> Outcome {
    guard maximumTokens > 0 else { return .finished(.length, []) }
    guard var mixed = try request.mixture?.mix(rows) else { preconditionFailure("no mixture") }
    return try mixed.withUnsafeMutableBufferPointer { row throws(InferenceError) in
      try sampleTokens(
        LogitRows(values: row, width: row.count), of: entry, now: now, scratch: &scratch)
    }
  }

  /// Samples as without drafts, one position after the other, as long as the token is the one that
  /// was drafted: then the next row is of the sequence as it goes on.
  private mutating func sampleTokens(
    _ rows: LogitRows, of entry: StepPlan.Entry, now: ContinuousClock.Instant,
    scratch: inout SamplingScratch
  ) throws(InferenceError) -> Outcome {
    usage.draftedTokens += entry.draftCount
    var sampled: [Int32] = []
    var expected = entry.drafts.makeIterator()
    repeat {
      let behind = entry.draftCount - sampled.count
      let row = rows[rows.count - 1 - behind]
      let token = try sampler.sample(
        row, history: history, position: entry.span.start + entry.span.tokens.count - behind,
        scratch: &scratch)
      usage.completionTokens += 1
      if !sampled.isEmpty { usage.acceptedDraftTokens += 1 }
      stopwatch.noteToken(at: now)
      stopwatch.report(to: &usage)
      if stopTokens.contains(token) { return .finished(.stop, sampled + [token]) }
      if sampler.usesHistory { history.append(token) }
      continuation.yield(.token(try describe(token, row), usage))
      sampled.append(token)
      if usage.completionTokens == maximumTokens { return .finished(.length, sampled) }
    } while expected.next() == sampled.last
    lookupDrafts.settle(sampled)
    modelDrafts.settle(entry.drafts, sampled)
    return .extended(sampled)
  }

  /// Ends the consumer's stream.
  func finish(_ reason: FinishReason) {
    continuation.yield(.finished(reason, usage))
    continuation.finish()
  }

  func fail(_ error: InferenceError) {
    continuation.finish(throwing: error)
  }

  /// The row of position p tells the probability of the prompt's token p + 1.
  private mutating func collectPromptLogprobs(
    _ rows: LogitRows, of span: Batch.Span
  ) throws(InferenceError) {
    let first = request.echoStart
    guard wantsPromptLogprobs, first + promptLogprobs.count < request.prompt.count else { return }
    if promptLogprobs.isEmpty, first == 0 {
      promptLogprobs.append(GeneratedToken(id: request.prompt[0]))
    }
    let firstPosition = span.start + span.tokens.count - rows.count - request.virtualTokenCount
    for row in 0..<rows.count {
      let target = firstPosition + row + 1
      guard target == first + promptLogprobs.count, target < request.prompt.count else { continue }
      promptLogprobs.append(try describe(request.prompt[target], rows[row]))
    }
    if first + promptLogprobs.count == request.prompt.count {
      continuation.yield(.promptLogprobs(promptLogprobs))
    }
  }

  private func describe(
    _ token: Int32, _ row: UnsafeBufferPointer<Float>
  ) throws(InferenceError) -> GeneratedToken {
    guard let alternatives = request.logprobs else { return GeneratedToken(id: token) }
    return try TokenLogprobs(row).describe(token, alternatives: alternatives)
  }
}

/// A request as `submit` hands it to the engine's thread.
struct Submission: Sendable {
  let id: SequenceState.ID
  let request: GenerationRequest
  let seed: UInt64
  let submitted: ContinuousClock.Instant
  let continuation: ActiveRequest.Continuation
}
