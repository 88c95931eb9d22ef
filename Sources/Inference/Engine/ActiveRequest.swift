// A request on its way through the engine: its sampler, what it has produced and its stopwatch.
// Lives on the engine's thread; turns rows of logits into events for the request's consumer.

import Transformer

/// The engine's side of one generation.
struct ActiveRequest {
  typealias Continuation = AsyncThrowingStream<GenerationEvent, any Error>.Continuation

  let request: GenerationRequest
  let continuation: Continuation
  private let sampler: Sampler
  private let stopTokens: Set<Int32>
  /// The most tokens that request and context leave room for.
  private let maximumTokens: Int
  private var history: TokenHistory
  private var promptLogprobs: [GeneratedToken] = []
  /// How far into the prompt spans have come.
  private var reachedPromptTokens = 0
  private(set) var usage: GenerationUsage
  private var stopwatch: Stopwatch

  init(_ submission: Submission, endOfSequenceTokens: Set<Int32>, contextLength: Int) {
    request = submission.request
    continuation = submission.continuation
    sampler = Sampler(request.sampling, seed: submission.seed, choice: request.choice)
    stopTokens =
      request.ignoreEndOfSequence
      ? request.stopTokens : request.stopTokens.union(endOfSequenceTokens)
    maximumTokens = min(request.maximumTokens, contextLength - request.prompt.count)
    history = TokenHistory(prompt: sampler.usesHistory ? request.prompt : [])
    usage = GenerationUsage(promptTokens: request.prompt.count)
    stopwatch = Stopwatch(submitted: submission.submitted)
  }

  /// Whether there is anything to compute at all.
  var needsModel: Bool { maximumTokens > 0 || wantsPromptLogprobs }

  var wantsPromptLogprobs: Bool { request.echoPromptLogprobs && request.logprobs != nil }

  /// What becomes of the sequence after a step.
  enum Outcome {
    /// More of its tokens have to be computed first.
    case unfinished
    /// Goes on with this token.
    case extended(Int32)
    case finished(FinishReason)
  }

  mutating func noteScheduled(at now: ContinuousClock.Instant) {
    stopwatch.noteScheduled(at: now)
    usage.queueSeconds = stopwatch.queueSeconds
  }

  mutating func notePreempted() {
    usage.preemptions += 1
  }

  /// How many prompt tokens `span` computes for the first time, and how many before it came from
  /// the cache instead.
  mutating func notePromptTokens(of span: Batch.Span) -> (computed: Int, cached: Int) {
    let start = min(span.start, request.prompt.count)
    let end = min(span.start + span.tokens.count, request.prompt.count)
    let cached = max(0, start - reachedPromptTokens)
    let computed = max(0, end - max(start, reachedPromptTokens))
    reachedPromptTokens = max(end, reachedPromptTokens)
    usage.cachedTokens += cached
    return (computed, cached)
  }

  /// Takes the rows of `entry`: log probabilities of the prompt first, then the next token.
  mutating func accept(
    _ rows: LogitRows, of entry: StepPlan.Entry, now: ContinuousClock.Instant,
    scratch: inout SamplingScratch
  ) throws(InferenceError) -> Outcome {
    try collectPromptLogprobs(rows, of: entry.span)
    guard entry.reachesEnd else { return .unfinished }
    guard maximumTokens > 0 else { return .finished(.length) }
    let row = rows[rows.count - 1]
    let position = entry.span.start + entry.span.tokens.count
    let token = try sampler.sample(row, history: history, position: position, scratch: &scratch)
    usage.completionTokens += 1
    stopwatch.noteToken(at: now)
    stopwatch.report(to: &usage)
    if stopTokens.contains(token) { return .finished(.stop) }
    if sampler.usesHistory { history.append(token) }
    continuation.yield(.token(try describe(token, row), usage))
    return usage.completionTokens == maximumTokens ? .finished(.length) : .extended(token)
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
    guard wantsPromptLogprobs, promptLogprobs.count < request.prompt.count else { return }
    if promptLogprobs.isEmpty { promptLogprobs.append(GeneratedToken(id: request.prompt[0])) }
    let firstPosition = span.start + span.tokens.count - rows.count
    for row in 0..<rows.count {
      let target = firstPosition + row + 1
      guard target == promptLogprobs.count, target < request.prompt.count else { continue }
      promptLogprobs.append(try describe(request.prompt[target], rows[row]))
    }
    if promptLogprobs.count == request.prompt.count {
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
