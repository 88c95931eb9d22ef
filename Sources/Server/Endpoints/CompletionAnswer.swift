// The answer to a completion request: one object, or the chunks of a stream, made from the same
// pieces. With `echo`, the prompt's text and log probabilities come first.

import HTTP
import Inference
import JSON
import Tokenizers

struct CompletionAnswer: Sendable {
  /// One per prompt; choices are numbered through all of them.
  let generations: [Generation]
  let echo: Bool
  /// Alternatives per token; nil: no log probabilities.
  let logprobs: Int?
  let includesUsage: Bool

  func whole() async throws -> Completion {
    let finished = try await withThrowingTaskGroup(of: (Completion.Choice, GenerationUsage).self) {
      group in
      for (index, generation, stream) in streams {
        group.addTask {
          var choice = Completion.Choice(index: index, text: "", logprobs: nil, finishReason: nil)
          let usage = try await forEachPiece(of: stream, in: generation, index: index) { piece in
            choice.text += piece.text
            choice.finishReason = piece.finishReason
            if let logprobs = piece.logprobs {
              choice.logprobs = (choice.logprobs ?? CompletionLogprobs()).appending(logprobs)
            }
          }
          return (choice, usage)
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }.sorted { $0.0.index < $1.0.index }
    }
    try Task.checkCancellation()
    return completion(finished.map(\.0), usage: .value(usage(of: finished.map(\.1))))
  }

  func stream(into events: ServerSentEvents) async throws {
    let usages = try await withThrowingTaskGroup(of: (Int, GenerationUsage).self) { group in
      for (index, generation, stream) in streams {
        group.addTask {
          let usage = try await forEachPiece(of: stream, in: generation, index: index) { piece in
            try await send([piece], usage: includesUsage ? .null : .absent, into: events)
          }
          return (index, usage)
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }.sorted { $0.0 < $1.0 }
    }
    let total = usage(of: usages.map(\.1))
    if includesUsage { try await send([], usage: .value(total), into: events) }
    try await events.done()
  }

  private var streams: [(Int, Generation, GenerationTextStream)] {
    var result: [(Int, Generation, GenerationTextStream)] = []
    for generation in generations {
      for stream in generation.choices { result.append((result.count, generation, stream)) }
    }
    return result
  }

  /// Echo, text and end of one choice, as chunks.
  private func forEachPiece(
    of stream: GenerationTextStream, in generation: Generation, index: Int,
    _ take: (Completion.Choice) async throws -> Void
  ) async throws -> GenerationUsage {
    let formatter = CompletionLogprobFormatter(
      tokenizer: generation.model.tokenizer, alternatives: logprobs)
    let echoed = echo ? formatter.echo(of: generation.prompt) : nil
    if let echoed, logprobs == nil {
      try await take(.init(index: index, text: echoed.text, logprobs: nil, finishReason: nil))
    }
    let offset = echoed?.text.unicodeScalars.count ?? 0
    var final = GenerationUsage(promptTokens: generation.promptTokens)
    for try await event in stream {
      switch event {
      case .promptLogprobs(let tokens):
        guard let echoed else { break }
        try await take(
          .init(
            index: index, text: echoed.text,
            logprobs: formatter.format(tokens, offsets: echoed.offsets), finishReason: nil))
      case .delta(let delta):
        try await take(
          .init(
            index: index, text: delta.text,
            logprobs: formatter.format(
              delta.tokens.map(\.token), offsets: delta.tokens.map { $0.textOffset + offset }),
            finishReason: nil))
      case .finished(let reason, _, let usage):
        final = usage
        generation.observe(reason, usage)
        try await take(.init(index: index, text: "", logprobs: nil, finishReason: reason.rawValue))
      }
    }
    return final
  }

  /// - Parameter parts: one per choice, in their order.
  private func usage(of parts: [GenerationUsage]) -> Usage {
    let prompt = generations.reduce(0) { $0 + $1.promptTokens }
    let completion = parts.reduce(0) { $0 + $1.completionTokens }
    RequestTrace.note("completion_tokens", completion)
    var (cached, rest) = (0, parts[...])
    for generation in generations {
      cached += Generation.cachedTokens(of: rest.prefix(generation.choices.count))
      rest = rest.dropFirst(generation.choices.count)
    }
    return Usage(
      promptTokens: prompt, completionTokens: completion, cachedTokens: cached,
      acceptedPredictionTokens: parts.reduce(0) { $0 + $1.acceptedDraftTokens })
  }

  private func send(
    _ choices: [Completion.Choice], usage: OptionalUsage, into events: ServerSentEvents
  ) async throws {
    try await events.data(try JSONWriter().encode(completion(choices, usage: usage)))
  }

  private func completion(_ choices: [Completion.Choice], usage: OptionalUsage) -> Completion {
    let first = generations[0]
    return Completion(
      id: first.id, created: first.created, model: first.model.id,
      systemFingerprint: first.systemFingerprint, choices: choices, usage: usage)
  }
}

/// Log probabilities in the older, parallel-array shape.
struct CompletionLogprobFormatter: Sendable {
  let tokenizer: Tokenizer
  let alternatives: Int?

  /// The prompt's text and where each of its tokens begins in it, in Unicode scalars.
  func echo(of prompt: [Int32]) -> (text: String, offsets: [Int]) {
    var decoder = tokenizer.streamingDecoder()
    var text = ""
    var offsets: [Int] = []
    for id in prompt {
      offsets.append(text.unicodeScalars.count)
      text += decoder.append(id)
    }
    return (text + decoder.finish(), offsets)
  }

  func format(_ tokens: [GeneratedToken], offsets: [Int]) -> CompletionLogprobs? {
    guard let alternatives, !tokens.isEmpty else { return nil }
    var result = CompletionLogprobs()
    for (token, offset) in zip(tokens, offsets) {
      result.tokens.append(text(of: token.id))
      result.tokenLogprobs.append(token.logprob.map { ChatLogprobFormatter.finite($0) })
      result.textOffset.append(offset)
      guard alternatives > 0, token.logprob != nil else {
        result.topLogprobs.append(.null)
        continue
      }
      var top: JSONObject = [:]
      for alternative in token.top {
        top[text(of: alternative.id)] = .double(ChatLogprobFormatter.finite(alternative.logprob))
      }
      result.topLogprobs.append(.object(top))
    }
    return result
  }

  private func text(of id: Int32) -> String {
    String(decoding: tokenizer.bytes(of: id), as: UTF8.self)
  }
}

extension CompletionLogprobs {
  func appending(_ other: CompletionLogprobs) -> CompletionLogprobs {
    CompletionLogprobs(
      tokens: tokens + other.tokens, tokenLogprobs: tokenLogprobs + other.tokenLogprobs,
      topLogprobs: topLogprobs + other.topLogprobs, textOffset: textOffset + other.textOffset)
  }
}
