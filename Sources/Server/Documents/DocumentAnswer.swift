// From a conversation to the last call of its chain: finds passages, makes the calls in between and
// leaves the one whose text is the answer to whoever streams it. Where nothing was found, that is a
// fixed sentence in the question's language, and the model isn't asked.

import Inference
import JSON
import Retrieval

/// What is left to do for an answer.
struct AnswerPlan: Sendable {
  enum LastStep: Sendable {
    case prompt([Int32])
    /// A prompt per passage, the first of all and the others, with their weights.
    case mixture([Int32], PromptMixture)
    /// No call: this is the answer.
    case fixed(String)

    var isFixed: Bool { if case .fixed = self { true } else { false } }
  }

  let step: LastStep
  /// nil: no documents were asked for.
  var retrieved: RetrievedPassages?
  /// Of the calls before.
  var usage = CallUsage()
  /// Of a mixture: candidates per passage, the likeliest of which is the answer; nil draws each token
  /// from the mixture.
  var marginalCandidates: Int?
}

struct DocumentAnswer: Sendable {
  let finder: PassageFinder
  let calls: SideCalls
  let options: AnswerOptions
  let messages: [JSONValue]
  /// Tokens that a prompt may have.
  let promptBudget: Int
  /// Tokens that an answer on the way may have.
  let answerTokens: Int

  /// - Parameter fields: the request's `retrieval` object.
  func plan(_ fields: JSONValue) async throws -> AnswerPlan {
    let found = try await finder.find(fields, options, in: messages)
    let builder = ContextBuilder(
      renderer: calls.renderer, options: options, messages: messages, question: found.question,
      promptBudget: promptBudget)
    let candidates = found.results.enumerated().map {
      PassageCandidate(result: $0, chunk: $1, text: $1.passage)
    }
    let outcome =
      candidates.isEmpty
      ? ChainOutcome(step: .fixed(notFound(found))) : try await run(candidates, builder)
    try requirePassages(outcome)
    finder.metrics.retrievalAnswers.increment(
      outcome.step.isFixed ? "not_found" : options.chain.rawValue)
    let kept = Set(outcome.used.map(\.result))
    var dropped = outcome.dropped
    for index in found.results.indices where !kept.contains(index) && dropped[index] == nil {
      dropped[index] = .context
    }
    return AnswerPlan(
      step: outcome.step,
      retrieved: RetrievedPassages(
        chain: options.chain, found: found, used: outcome.used, dropped: dropped,
        calls: calls.json),
      usage: calls.usage,
      marginalCandidates: options.chain == .ragSequence ? options.candidates : nil)
  }

  /// What a model says without the passages that were found would be its own invention. Messages that
  /// are too long by themselves are the engine's to refuse.
  private func requirePassages(_ outcome: ChainOutcome) throws(APIError) {
    guard case .prompt(let prompt) = outcome.step, outcome.used.isEmpty,
      prompt.count <= calls.renderer.model.contextLength
    else { return }
    throw .invalid(
      """
      None of the passages that were found fits into the prompt beside the messages. Shorten these, \
      lower max_tokens, raise retrieval.context_tokens, or start the server with a larger --context.
      """,
      param: "retrieval.context_tokens", code: "no_passage_fits")
  }

  private func notFound(_ found: FoundPassages) -> String {
    QuestionLanguage(of: found.question).notFound
  }

  private func run(
    _ candidates: [PassageCandidate], _ builder: ContextBuilder
  ) async throws -> ChainOutcome {
    switch options.chain {
    case .stuff:
      let passages = try builder.largestFit(candidates)
      return ChainOutcome(step: .prompt(try builder.prompt(passages)), used: passages)
    case .mapReduce:
      return try await MapReduce(calls: calls, builder: builder).run(candidates)
    case .refine:
      return try await Refinement(calls: calls, builder: builder, answerTokens: answerTokens)
        .run(candidates)
    case .ragToken, .ragSequence:
      return try PassageMixture(builder: builder).run(candidates)
    }
  }
}

/// Where a chain got to.
struct ChainOutcome {
  let step: AnswerPlan.LastStep
  /// Passages as the model saw them; empty where it saw none.
  var used: [NumberedPassage] = []
  /// Results that were left out for another reason than room.
  var dropped: [Int: RetrievedPassages.Drop] = [:]
}
