// POST /v1/completions: continue one or several prompts, each with `n` choices.

import HTTP
import Inference
import JSON
import Tokenizers

struct Completions: Sendable {
  /// OpenAI's default.
  static let defaultMaximumTokens = 16
  static let maximumPrompts = 64

  let state: ServerState
  let metrics: ServerMetrics

  func respond(to request: Request) async throws -> Response {
    let json = try request.json()
    try UnsupportedFields.check(json)
    if let retrieval = json["retrieval"], !retrieval.isNull {
      throw APIError.invalid(
        "retrieval goes with messages; use /v1/chat/completions.", param: "retrieval",
        code: "unsupported_parameter")
    }
    let body = try request.decode(CompletionRequest.self, from: json)
    let model = try state.chatModel(named: body.model)
    let prompts = try prompts(of: body, for: model)
    try Generation.checkRoom(
      for: prompts.count * (try body.sampling.checkedChoices()), on: model, param: "prompt")
    let answer = CompletionAnswer(
      generations: try prompts.map { try start(body, prompt: $0, on: model) },
      echo: body.echo ?? false,
      logprobs: body.logprobs,
      includesUsage: body.sampling.streamOptions?.includeUsage ?? false)
    if body.sampling.stream ?? false {
      return ServerSentEvents.response { events in
        try await events.tellingErrors { try await answer.stream(into: events) }
      }
    }
    return try .json(try await answer.whole())
  }

  /// Special tokens are added (a BOS where the tokenizer's post-processor has one) and their text
  /// is parsed, as vLLM and transformers do; token ids are taken as they are.
  private func prompts(
    of body: CompletionRequest, for model: ChatModel
  ) throws(APIError) -> [[Int32]] {
    let prompts: [[Int32]]
    switch body.prompt {
    case .texts(let texts):
      prompts = texts.map {
        model.tokenizer.encode(
          $0, addSpecialTokens: true, parseSpecialTokens: body.parseSpecialTokens ?? true)
      }
    case .tokens(let lists):
      prompts = try lists.map { list throws(APIError) in
        try list.map { id throws(APIError) in try tokenID(id, in: "prompt") }
      }
    }
    guard (1...Self.maximumPrompts).contains(prompts.count) else {
      throw .invalid(
        "prompt holds \(prompts.count) prompts; between 1 and \(Self.maximumPrompts) are accepted.",
        param: "prompt")
    }
    return prompts
  }

  private func start(
    _ body: CompletionRequest, prompt: [Int32], on model: ChatModel
  ) throws(APIError) -> Generation {
    let choices = try body.sampling.checkedChoices()
    if let bestOf = body.bestOf, bestOf != choices {
      throw .invalid(
        "best_of is \(bestOf); this server returns every choice, so it must equal n (\(choices)).",
        param: "best_of", code: "unsupported_parameter")
    }
    let request = GenerationRequest(
      prompt: prompt,
      sampling: try body.sampling.parameters(defaults: model.defaults),
      // None at all scores the prompt, with echo and logprobs.
      maximumTokens: try body.sampling.checkedMaxTokens(atLeast: 0) ?? Self.defaultMaximumTokens,
      stopTokens: try body.sampling.checkedStopTokens(vocabularySize: model.vocabularySize),
      ignoreEndOfSequence: body.sampling.ignoreEndOfSequence ?? false,
      logprobs: body.logprobs,
      echoPromptLogprobs: (body.echo ?? false) && body.logprobs != nil)
    return try .start(
      request, choices: choices, stops: try body.sampling.checkedStop(), on: model,
      idPrefix: "cmpl-", metrics: metrics)
  }
}
