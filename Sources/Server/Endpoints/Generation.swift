// What chat and plain completions share: submitting the choices before any answer begins, and
// turning their events into metrics and usage.

import Inference
import JSON
import Synchronization
import Tokenizers

/// The choices of one request, all admitted.
struct Generation: Sendable {
  let model: ChatModel
  let choices: [GenerationTextStream]
  /// Empty for an answer that the model isn't asked for.
  let prompt: [Int32]
  /// Of all prompts, where there are several.
  let promptTokens: Int
  /// What calls before this one took; part of the answer's usage.
  var earlier = CallUsage()
  /// Constant over the chunks of a stream.
  let id: String
  let created = Timestamp.now.unixSeconds
  let metrics: ServerMetrics
  private let watch = Stopwatch()

  /// Admission happens here: queue, context length and sampling ranges are refused before a 200.
  /// - Parameter marginalCandidates: per prompt of the request's mixture, where the likeliest whole
  ///   answer is wanted.
  static func start(
    _ request: GenerationRequest, choices: Int, marginalCandidates: Int? = nil, stops: [String],
    on model: ChatModel, idPrefix: String, metrics: ServerMetrics
  ) throws(APIError) -> Generation {
    // A fixed seed for all choices makes them differ by their number alone.
    var request = request
    request.sampling.seed = request.sampling.seed ?? .random(in: .min ... .max)
    request.adapter = model.adapter?.adapter
    var streams: [GenerationTextStream] = []
    for choice in 0..<choices {
      request.choice = choice
      do throws(InferenceError) {
        streams.append(
          try submit(request, marginalCandidates: marginalCandidates, stops: stops, on: model))
      } catch {
        let refusal = APIError(error) ?? .invalid("\(error)")
        metrics.rejected.increment(refusal.code ?? "invalid")
        throw refusal
      }
    }
    model.adapter?.noteRequest()
    return Generation(
      model: model, choices: streams, prompt: request.prompt,
      promptTokens: request.promptTokenCount, idPrefix: idPrefix, metrics: metrics)
  }

  /// Refuses more choices than the engine ever has room for: waiting would not help.
  static func checkRoom(
    for count: Int, on model: ChatModel, param: String
  ) throws(APIError) {
    let most = model.engine.maximumUnderWay
    guard count > most else { return }
    throw .invalid(
      """
      The request asks for \(count) choices; this server takes \(most) at a time. Ask for fewer, or \
      start it with a larger --max-queue.
      """,
      param: param)
  }

  private static func submit(
    _ request: GenerationRequest, marginalCandidates: Int?, stops: [String], on model: ChatModel
  ) throws(InferenceError) -> GenerationTextStream {
    let decoder = model.tokenizer.streamingDecoder()
    guard let marginalCandidates else {
      return try model.engine.submit(request, decoder: decoder, stops: stops)
    }
    return try model.engine.submitMarginal(
      request, candidates: marginalCandidates, decoder: decoder, stops: stops)
  }

  /// A fixed answer in the place of each choice: the model isn't asked.
  static func saying(
    _ text: String, choices: Int, on model: ChatModel, idPrefix: String, metrics: ServerMetrics
  ) -> Generation {
    Generation(
      model: model, choices: (0..<choices).map { _ in GenerationTextStream(saying: text) },
      prompt: [], promptTokens: 0, idPrefix: idPrefix, metrics: metrics)
  }

  private init(
    model: ChatModel, choices: [GenerationTextStream], prompt: [Int32], promptTokens: Int,
    idPrefix: String, metrics: ServerMetrics
  ) {
    self.model = model
    self.choices = choices
    self.prompt = prompt
    self.promptTokens = promptTokens
    id = idPrefix + RandomID.make()
    self.metrics = metrics
    RequestTrace.note("model", model.id)
    RequestTrace.note("prompt_tokens", promptTokens)
  }

  /// Of this build and model: changes when answers may change.
  var systemFingerprint: String { "martlet-\(Martlet.version)" }

  func usage(of parts: [GenerationUsage]) -> Usage {
    let completion = parts.reduce(0) { $0 + $1.completionTokens }
    RequestTrace.note("completion_tokens", completion)
    // What an answer over several prompts reads beyond them is told at its end.
    let prompt = parts.reduce(promptTokens) { max($0, $1.promptTokens) }
    return Usage(
      promptTokens: prompt + earlier.promptTokens,
      completionTokens: completion + earlier.completionTokens,
      cachedTokens: Self.cachedTokens(of: parts) + earlier.cachedTokens,
      acceptedPredictionTokens: parts.reduce(0) { $0 + $1.acceptedDraftTokens })
  }

  /// Of one prompt with several choices. They take it over from the choice that computed it, whose
  /// own count tells what was there before the request.
  static func cachedTokens(of choices: some Collection<GenerationUsage>) -> Int {
    choices.map(\.cachedTokens).min() ?? 0
  }

  /// Call once per choice, at its end.
  func observe(_ reason: FinishReason, _ usage: GenerationUsage) {
    metrics.finished.increment(reason.rawValue)
    metrics.promptTokens.increment(by: Double(usage.promptTokens))
    metrics.cachedPromptTokens.increment(by: Double(usage.cachedTokens))
    metrics.generationTokens.increment(by: Double(usage.completionTokens))
    metrics.draftTokens.increment(by: Double(usage.draftedTokens))
    metrics.acceptedDraftTokens.increment(by: Double(usage.acceptedDraftTokens))
    metrics.queueTime.observe(usage.queueSeconds)
    metrics.prefillTime.observe(usage.prefillSeconds)
    metrics.decodeTime.observe(usage.decodeSeconds)
    metrics.endToEnd.observe(watch.seconds)
    if let first = usage.timeToFirstTokenSeconds { metrics.timeToFirstToken.observe(first) }
    if usage.completionTokens > 1 {
      metrics.interTokenLatency.observe(usage.decodeSeconds / Double(usage.completionTokens - 1))
    }
    RequestTrace.note("finish_reason", reason.rawValue)
  }
}

enum RandomID {
  /// 24 letters and digits, as OpenAI's ids end.
  static func make() -> String {
    let alphabet = Array("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return String((0..<24).map { _ in alphabet[Int.random(in: 0..<alphabet.count)] })
  }
}
