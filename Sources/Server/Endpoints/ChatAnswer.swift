// The answer to a chat request: one object, or the chunks of a stream. Both come from the same
// events, so that the concatenated stream equals the whole.

import HTTP
import Inference
import JSON

struct ChatAnswer: Sendable {
  let generation: Generation
  let logprobs: ChatLogprobFormatter
  let retrieved: RetrievedPassages?
  let includesUsage: Bool

  // MARK: - Whole

  func whole() async throws -> ChatCompletion {
    let finished = try await withThrowingTaskGroup(of: FinishedChoice.self) { group in
      for (index, stream) in generation.choices.enumerated() {
        group.addTask { try await collect(stream, index: index) }
      }
      return try await group.reduce(into: []) { $0.append($1) }.sorted { $0.index < $1.index }
    }
    return ChatCompletion(
      id: generation.id, created: generation.created, model: generation.model.id,
      systemFingerprint: generation.systemFingerprint,
      choices: finished.map {
        .init(
          index: $0.index, message: .init(content: $0.text),
          logprobs: logprobs.isOn ? ChatLogprobs(content: $0.logprobs) : nil,
          finishReason: $0.reason.rawValue)
      },
      usage: generation.usage(of: finished.map(\.usage)),
      retrieval: retrieved?.json(answers: finished.map(\.text)))
  }

  private struct FinishedChoice: Sendable {
    let index: Int
    var text = ""
    var logprobs: [ChatLogprobs.Token] = []
    var reason = FinishReason.cancelled
    var usage: GenerationUsage
  }

  private func collect(
    _ stream: GenerationTextStream, index: Int
  ) async throws -> FinishedChoice {
    var choice = FinishedChoice(
      index: index, usage: GenerationUsage(promptTokens: generation.promptTokens))
    for try await event in stream {
      switch event {
      case .promptLogprobs: break
      case .delta(let delta):
        choice.text += delta.text
        choice.logprobs += logprobs.format(delta.tokens)
      case .finished(let reason, _, let usage):
        choice.reason = reason
        choice.usage = usage
        generation.observe(reason, usage)
      }
    }
    try Task.checkCancellation()
    return choice
  }

  // MARK: - Streamed

  /// Role first, then text, then one chunk per choice with its reason, then usage if asked for.
  /// Results of retrieval ride on the first chunk, a choice's citations on the one with its reason.
  func stream(into events: ServerSentEvents) async throws {
    let usages = try await withThrowingTaskGroup(of: GenerationUsage.self) { group in
      for (index, stream) in generation.choices.enumerated() {
        group.addTask { try await send(stream, index: index, into: events) }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    if includesUsage {
      try await send(nil, usage: .value(generation.usage(of: usages)), into: events)
    } else {
      _ = generation.usage(of: usages)
    }
    try await events.done()
  }

  private func send(
    _ stream: GenerationTextStream, index: Int, into events: ServerSentEvents
  ) async throws -> GenerationUsage {
    var text = ""
    var final = GenerationUsage(promptTokens: generation.promptTokens)
    try await send(
      .init(
        index: index, delta: .init(role: "assistant", content: ""), logprobs: nil,
        finishReason: nil),
      retrieval: index == 0 ? retrieved?.resultsJSON : nil, into: events)
    for try await event in stream {
      switch event {
      case .promptLogprobs: break
      case .delta(let delta):
        text += delta.text
        let tokens = logprobs.format(delta.tokens)
        try await send(
          .init(
            index: index, delta: .init(content: delta.text),
            logprobs: logprobs.isOn ? ChatLogprobs(content: tokens) : nil, finishReason: nil),
          into: events)
      case .finished(let reason, _, let usage):
        final = usage
        generation.observe(reason, usage)
        try await send(
          .init(index: index, delta: .init(), logprobs: nil, finishReason: reason.rawValue),
          retrieval: retrieved?.citationsJSON(in: text, choice: index), into: events)
      }
    }
    return final
  }

  private func send(
    _ choice: ChatCompletionChunk.Choice?, usage: OptionalUsage? = nil,
    retrieval: JSONValue? = nil, into events: ServerSentEvents
  ) async throws {
    let chunk = ChatCompletionChunk(
      id: generation.id, created: generation.created, model: generation.model.id,
      systemFingerprint: generation.systemFingerprint, choices: choice.map { [$0] } ?? [],
      usage: usage ?? (includesUsage ? .null : .absent), retrieval: retrieval)
    try await events.data(try JSONWriter().encode(chunk))
  }
}
