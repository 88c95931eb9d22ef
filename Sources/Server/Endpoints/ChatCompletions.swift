// POST /v1/chat/completions, /chat: render, generate, answer whole or as server-sent events.

import HTTP
import Inference
import JSON
import Tokenizers

struct ChatCompletions: Sendable {
  let state: ServerState
  let metrics: ServerMetrics

  func respond(to request: Request) async throws -> Response {
    let json = try request.json()
    try UnsupportedFields.check(json)
    let body = try request.decode(ChatCompletionRequest.self, from: json)
    let model = try state.chatModel(named: body.model)
    let prompt = try await prepare(body, with: model)
    let answer = ChatAnswer(
      generation: try start(body, prompt: prompt.tokens, on: model),
      logprobs: ChatLogprobFormatter(tokenizer: model.tokenizer, isOn: body.logprobs ?? false),
      retrieved: prompt.retrieved,
      includesUsage: body.sampling.streamOptions?.includeUsage ?? false)
    if body.sampling.stream ?? false {
      return ServerSentEvents.response { try await answer.stream(into: $0) }
    }
    return try .json(try await answer.whole())
  }

  /// The prompt's tokens, with the passages that `retrieval` asked for.
  private func prepare(
    _ body: ChatCompletionRequest, with model: ChatModel
  ) async throws -> (tokens: [Int32], retrieved: RetrievedPassages?) {
    let messages = try ChatPrompt.normalize(body.messages)
    let render = { (messages: [JSONValue]) throws(APIError) -> [Int32] in
      model.tokenizer.encode(
        try ChatPrompt.render(
          messages, with: model, addGenerationPrompt: body.addGenerationPrompt ?? true,
          arguments: body.chatTemplateArguments ?? [:],
          parseSpecialTokens: body.parseSpecialTokens ?? false))
    }
    guard let fields = body.retrieval, !fields.isNull else { return (try render(messages), nil) }
    let builder = ContextBuilder(
      documents: try state.documentStore(), metrics: metrics,
      tokenBudget: Self.promptBudget(of: body, with: model), render: render)
    return try await builder.build(fields: fields, messages: messages)
  }

  /// Passages leave room for the answer: what was asked for, else a quarter of the context.
  private static func promptBudget(of body: ChatCompletionRequest, with model: ChatModel) -> Int {
    let answer = body.sampling.maxTokens ?? model.contextLength / 4
    return model.contextLength - min(max(0, answer), model.contextLength / 2)
  }

  private func start(
    _ body: ChatCompletionRequest, prompt: [Int32], on model: ChatModel
  ) throws(APIError) -> Generation {
    let wantsLogprobs = body.logprobs ?? false
    if body.topLogprobs != nil, !wantsLogprobs {
      throw .invalid("top_logprobs needs logprobs: true.", param: "top_logprobs")
    }
    let request = GenerationRequest(
      prompt: prompt,
      sampling: try body.sampling.parameters(defaults: model.defaults),
      maximumTokens: try body.sampling.checkedMaxTokens() ?? model.contextLength,
      stopTokens: try body.sampling.checkedStopTokens(vocabularySize: model.vocabularySize),
      ignoreEndOfSequence: body.sampling.ignoreEndOfSequence ?? false,
      logprobs: wantsLogprobs ? body.topLogprobs ?? 0 : nil)
    return try .start(
      request, choices: try body.sampling.checkedChoices(), stops: try body.sampling.checkedStop(),
      on: model, idPrefix: "chatcmpl-", metrics: metrics)
  }
}
