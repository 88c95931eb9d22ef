// POST /v1/chat/completions, /chat: render, generate, answer whole or as server-sent events.

import HTTP
import Inference
import JSON
import Tokenizers

struct ChatCompletions: Sendable {
  let state: ServerState
  let metrics: ServerMetrics

  /// Between comments of a stream that has nothing else to say.
  var heartbeat = ServerSentEvents.standardHeartbeat

  private static let idPrefix = "chatcmpl-"

  func respond(to request: Request) async throws -> Response {
    let json = try request.json()
    try UnsupportedFields.check(json)
    let body = try request.decode(ChatCompletionRequest.self, from: json)
    let model = try state.chatModel(named: body.model)
    let order = try ChatOrder(body, model: model)
    guard body.sampling.stream ?? false else {
      return try .json(try await answer(to: body, order, with: model, {}).whole())
    }
    // Calls before the answer may take long: the stream begins with the first of them.
    let work = AdmittedWork { try await answer(to: body, order, with: model, $0) }
    try await work.admitted()
    return ServerSentEvents.response(heartbeat: heartbeat) { events in
      try await events.tellingErrors {
        try await work.value.stream(into: events)
      }
    }
  }

  /// - Parameter admitted: told of each call before the answer that the engine has taken
  private func answer(
    to body: ChatCompletionRequest, _ order: ChatOrder, with model: ChatModel,
    _ admitted: @escaping @Sendable () -> Void
  ) async throws -> ChatAnswer {
    let plan = try await plan(body, order, with: model, admitted)
    return ChatAnswer(
      generation: try start(plan, order, on: model),
      logprobs: ChatLogprobFormatter(tokenizer: model.tokenizer, isOn: body.logprobs ?? false),
      retrieved: plan.retrieved,
      includesUsage: body.sampling.streamOptions?.includeUsage ?? false)
  }

  /// The prompt, or with `retrieval` what is left to do once passages are found.
  private func plan(
    _ body: ChatCompletionRequest, _ order: ChatOrder, with model: ChatModel,
    _ admitted: @escaping @Sendable () -> Void
  ) async throws -> AnswerPlan {
    let messages = try ChatPrompt.normalize(body.messages)
    var renderer = ChatRenderer(
      model: model, addGenerationPrompt: body.addGenerationPrompt ?? true,
      arguments: body.chatTemplateArguments ?? [:],
      parseSpecialTokens: body.parseSpecialTokens ?? false)
    guard let fields = body.retrieval, !fields.isNull else {
      return AnswerPlan(step: .prompt(try renderer.tokens(messages)))
    }
    let options = try AnswerOptions(fields, defaults: state.answerDefaults)
    try order.check(options)
    renderer.addGenerationPrompt = true
    let calls = SideCalls(renderer: renderer, metrics: metrics, admitted: admitted)
    let finder = PassageFinder(
      documents: try state.documentStore(), writer: QueryWriter(calls: calls), metrics: metrics)
    return try await DocumentAnswer(
      finder: finder, calls: calls, options: options, messages: messages,
      promptBudget: order.promptBudget(contextLength: model.contextLength),
      answerTokens: order.answerTokens(contextLength: model.contextLength)
    ).plan(fields)
  }

  private func start(
    _ plan: AnswerPlan, _ order: ChatOrder, on model: ChatModel
  ) throws(APIError) -> Generation {
    var generation: Generation
    switch plan.step {
    case .fixed(let text):
      generation = .saying(
        text, choices: order.choices, on: model, idPrefix: Self.idPrefix, metrics: metrics)
    case .prompt(let tokens):
      var request = order.request
      request.prompt = tokens
      generation = try .start(
        request, choices: order.choices, stops: order.stops, on: model, idPrefix: Self.idPrefix,
        metrics: metrics)
    case .mixture(let prompt, let mixture):
      var request = order.request
      request.prompt = prompt
      request.mixture = mixture
      generation = try .start(
        request, choices: order.choices, marginalCandidates: plan.marginalCandidates,
        stops: order.stops, on: model, idPrefix: Self.idPrefix, metrics: metrics)
    }
    generation.earlier = plan.usage
    return generation
  }
}

/// How an answer is to be generated, whatever its prompt will be. Checked before anything is asked of
/// the model.
private struct ChatOrder {
  /// Without a prompt.
  let request: GenerationRequest
  let choices: Int
  let stops: [String]
  private let maxTokens: Int?

  init(_ body: ChatCompletionRequest, model: ChatModel) throws {
    let wantsLogprobs = body.logprobs ?? false
    if body.topLogprobs != nil, !wantsLogprobs {
      throw APIError.invalid("top_logprobs needs logprobs: true.", param: "top_logprobs")
    }
    maxTokens = try body.sampling.checkedMaxTokens() ?? model.defaults.maximumTokens
    request = GenerationRequest(
      prompt: [], sampling: try body.sampling.parameters(defaults: model.defaults),
      maximumTokens: maxTokens ?? model.contextLength,
      stopTokens: try body.sampling.checkedStopTokens(vocabularySize: model.vocabularySize),
      ignoreEndOfSequence: body.sampling.ignoreEndOfSequence ?? false,
      logprobs: wantsLogprobs ? body.topLogprobs ?? 0 : nil)
    choices = try body.sampling.checkedChoices()
    try Generation.checkRoom(for: choices, on: model, param: "n")
    stops = try body.sampling.checkedStop()
    try request.sampling.validate(vocabularySize: model.vocabularySize)
  }

  /// An answer that is decided over whole sequences is one, and has no tokens of its own distribution.
  func check(_ options: AnswerOptions) throws(APIError) {
    guard options.chain == .ragSequence else { return }
    guard choices == 1 else {
      throw .invalid("rag_sequence decides on one answer; leave n out.", param: "n")
    }
    guard request.logprobs == nil else {
      throw .invalid("rag_sequence has no log probabilities per token.", param: "logprobs")
    }
  }

  /// Passages leave room for the answer: what was asked for or the model recommends, else a quarter of the context.
  func promptBudget(contextLength: Int) -> Int {
    contextLength - min(maxTokens ?? contextLength / 4, contextLength / 2)
  }

  /// Tokens of an answer that a later call improves.
  func answerTokens(contextLength: Int) -> Int {
    min(maxTokens ?? 256, contextLength / 4)
  }
}
