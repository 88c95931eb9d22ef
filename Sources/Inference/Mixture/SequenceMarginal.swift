// RAG-Sequence: candidates from each prompt by itself, each then scored under every prompt, and the
// one with the greatest log sum_z p(z) p(y|z) is the answer ("thorough decoding" of Lewis et al. 2020,
// section 2.5). Candidates and scores are ordinary requests, which the scheduler batches; a candidate's
// own prompt has told its log probabilities while it was generated, the others compute them in one pass
// behind what the cache holds of their prompts.
//
// Relies on log probabilities being those of the raw distribution, whatever the sampling does. An end
// token is part of what is scored; a candidate cut off by a length or a stop string has none.

/// An answer that may be given.
struct MarginalCandidate: Sendable, Equatable {
  /// An end token included.
  var tokens: [GeneratedToken]
  /// How many of them are part of the text.
  var textCount: Int
  var reason: FinishReason
  /// log p(y|z) by prompt; nil where it isn't known yet.
  var logLikelihoods: [Double?]

  var ids: [Int32] { tokens.map(\.id) }

  /// log sum_z p(z) p(y|z)
  func score(_ logWeights: [Double]) -> Double {
    PromptMixture.logSum(zip(logWeights, logLikelihoods).map { $0 + ($1 ?? -.infinity) })
  }
}

extension InferenceEngine {
  /// Decides on the answer with the greatest probability over all prompts of the request's mixture,
  /// among `candidates` of each prompt. Nothing is delivered before that. The last usage counts all
  /// prompts once, all candidates' tokens as completion and what is scored as prompt.
  package func submitMarginal(
    _ request: GenerationRequest, candidates: Int, decoder: any TokenDecoder, stops: [String]
  ) throws(InferenceError) -> GenerationTextStream {
    let marginal = SequenceMarginal(engine: self, request: request, decoder: decoder, stops: stops)
    let streams = try marginal.submitCandidates(candidates)
    let events = MarginalEvents { try await marginal.decide(streams) }
    return GenerationTextStream(
      events: GenerationTextStream.Events(unfolding: { try await events.next() }),
      assembler: TextAssembler(decoder: decoder, stops: stops), cancel: {})
  }
}

/// The events of an answer that is decided when the first is asked for.
private actor MarginalEvents {
  private var decide: (@Sendable () async throws -> [GenerationEvent])?
  private var ready: [GenerationEvent] = []

  init(decide: @escaping @Sendable () async throws -> [GenerationEvent]) { self.decide = decide }

  func next() async throws -> GenerationEvent? {
    if let decide {
      self.decide = nil
      ready = try await decide().reversed()
    }
    return ready.popLast()
  }
}

struct SequenceMarginal: Sendable {
  typealias Candidate = MarginalCandidate

  let engine: InferenceEngine
  let request: GenerationRequest
  let decoder: any TokenDecoder
  let stops: [String]

  /// A candidate being generated.
  struct Stream: Sendable {
    /// Index of its prompt.
    let prompt: Int
    let events: GenerationTextStream.Events
    let cancel: @Sendable () -> Void
  }

  private var logWeights: [Double] { request.mixture?.logWeights ?? [0] }

  private var stopTokens: Set<Int32> {
    request.ignoreEndOfSequence
      ? request.stopTokens : request.stopTokens.union(engine.endOfSequenceTokens)
  }

  /// Submits all candidates, so that a refusal comes before any answer begins.
  func submitCandidates(_ count: Int) throws(InferenceError) -> [Stream] {
    var order = request
    order.mixture = nil
    order.logprobs = request.logprobs ?? 0
    order.sampling.seed = request.sampling.seed ?? .random(in: .min ... .max)
    // Ends are found here: they are scored as well.
    order.stopTokens = []
    order.ignoreEndOfSequence = true
    // Every candidate has to fit behind every prompt.
    let room = engine.contextLength - request.virtualTokenCount
    order.maximumTokens = min(request.maximumTokens, room - request.longestPromptCount)
    guard order.maximumTokens > 0 else {
      throw .contextLengthExceeded(
        promptTokens: request.longestPromptCount + 1, contextLength: room)
    }
    var streams: [Stream] = []
    for (index, prompt) in request.prompts.enumerated() {
      order.prompt = prompt
      // The same candidate again would be no other answer.
      for choice in 0..<(request.sampling.isGreedy ? 1 : count) {
        order.choice = choice
        let (events, cancel) = try engine.submitCancellable(order)
        streams.append(Stream(prompt: index, events: events, cancel: cancel))
      }
    }
    return streams
  }

  /// The events of the best candidate; of equals, the first.
  func decide(_ streams: [Stream]) async throws -> [GenerationEvent] {
    let (candidates, usage) = try await candidates(streams)
    var best: (candidate: Candidate, score: Double)?
    for candidate in candidates {
      let score = candidate.score(logWeights)
      if best.map({ score > $0.score }) ?? true { best = (candidate, score) }
    }
    guard let winner = best?.candidate else { return [.finished(.cancelled, usage)] }
    return winner.tokens.prefix(winner.textCount).map { .token($0, usage) }
      + [.finished(winner.reason, usage)]
  }

  /// All candidates, each once and scored, and what they took.
  func candidates(_ streams: [Stream]) async throws -> ([Candidate], GenerationUsage) {
    var usage = GenerationUsage(promptTokens: request.promptTokenCount)
    var candidates: [Candidate] = []
    for (candidate, spent) in try await collect(streams) {
      usage.add(spent)
      if let known = candidates.firstIndex(where: { $0.ids == candidate.ids }) {
        candidates[known].learn(from: candidate)
      } else {
        candidates.append(candidate)
      }
    }
    usage.promptTokens += try await score(&candidates)
    try Task.checkCancellation()
    return (candidates, usage)
  }

  // MARK: - Candidates

  /// In the order of the streams, whichever ends first.
  private func collect(_ streams: [Stream]) async throws -> [(Candidate, GenerationUsage)] {
    try await withThrowingTaskGroup(of: (Int, Candidate, GenerationUsage).self) { group in
      for (index, stream) in streams.enumerated() {
        group.addTask {
          let (candidate, usage) = try await self.candidate(from: stream)
          return (index, candidate, usage)
        }
      }
      var found: [(index: Int, candidate: Candidate, usage: GenerationUsage)] = []
      for try await next in group { found.append((next.0, next.1, next.2)) }
      return found.sorted { $0.index < $1.index }.map { ($0.candidate, $0.usage) }
    }
  }

  private func candidate(from stream: Stream) async throws -> (Candidate, GenerationUsage) {
    var tokens: [GeneratedToken] = []
    var textCount = 0
    var usage = GenerationUsage(promptTokens: 0)
    var reason = FinishReason.length
    var assembler = TextAssembler(decoder: decoder, stops: stops)
    events: for try await event in stream.events {
      switch event {
      case .promptLogprobs: break
      case .token(let token, let spent):
        usage = spent
        tokens.append(token)
        if !stopTokens.contains(token.id) {
          textCount += 1
          _ = assembler.append(token)
          if assembler.matchedStop == nil { continue }
        }
        reason = .stop
        stream.cancel()
        break events
      case .finished(let end, let spent):
        (reason, usage) = (end, spent)
      }
    }
    try Task.checkCancellation()
    var likelihoods = [Double?](repeating: nil, count: request.prompts.count)
    likelihoods[stream.prompt] = Self.sum(tokens)
    return (
      Candidate(tokens: tokens, textCount: textCount, reason: reason, logLikelihoods: likelihoods),
      usage
    )
  }

  private static func sum(_ tokens: [GeneratedToken]) -> Double {
    tokens.reduce(0) { $0 + Double($1.logprob ?? -.infinity) }
  }

  // MARK: - Scores

  /// Scores at the same time; the engine batches them.
  private static let width = 8

  /// Fills in what isn't known yet. The tokens that had to be read for it.
  private func score(_ candidates: inout [Candidate]) async throws -> Int {
    let wanted = candidates.indices.flatMap { candidate in
      request.prompts.indices.filter { candidates[candidate].logLikelihoods[$0] == nil }
        .map { (candidate: candidate, prompt: $0) }
    }
    let tokens = candidates.map(\.ids)
    let scores = try await withThrowingTaskGroup(of: (Int, Double).self) { group in
      var scores = [Double](repeating: 0, count: wanted.count)
      for (index, pair) in wanted.enumerated() {
        if index >= Self.width, let (done, score) = try await group.next() { scores[done] = score }
        group.addTask {
          (index, try await self.logLikelihood(of: tokens[pair.candidate], behind: pair.prompt))
        }
      }
      for try await (done, score) in group { scores[done] = score }
      return scores
    }
    for (pair, score) in zip(wanted, scores) {
      candidates[pair.candidate].logLikelihoods[pair.prompt] = score
    }
    return wanted.reduce(0) { $0 + tokens[$1.candidate].count }
  }

  private func logLikelihood(of tokens: [Int32], behind index: Int) async throws -> Double {
    let prompt = request.prompts[index]
    var order = GenerationRequest(
      prompt: prompt + tokens, maximumTokens: 0, logprobs: 0, echoPromptLogprobs: true,
      adapter: request.adapter)
    order.echoStart = prompt.count
    var sum = 0.0
    for try await event in try engine.submit(order) {
      if case .promptLogprobs(let scored) = event { sum = Self.sum(scored) }
    }
    try Task.checkCancellation()
    return sum
  }
}

extension MarginalCandidate {
  /// Takes over what the same tokens behind another prompt have told.
  fileprivate mutating func learn(from other: MarginalCandidate) {
    for (index, known) in other.logLikelihoods.enumerated() where known != nil {
      logLikelihoods[index] = known
    }
  }
}

extension GenerationUsage {
  /// One more candidate of the same request; they are generated side by side.
  fileprivate mutating func add(_ other: GenerationUsage) {
    completionTokens += other.completionTokens
    cachedTokens += other.cachedTokens
    draftedTokens += other.draftedTokens
    acceptedDraftTokens += other.acceptedDraftTokens
    preemptions += other.preemptions
    queueSeconds = max(queueSeconds, other.queueSeconds)
    prefillSeconds = max(prefillSeconds, other.prefillSeconds)
    decodeSeconds = max(decodeSeconds, other.decodeSeconds)
    if let first = other.timeToFirstTokenSeconds {
      timeToFirstTokenSeconds = max(timeToFirstTokenSeconds ?? 0, first)
    }
  }
}
