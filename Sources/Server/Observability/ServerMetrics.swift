// Every metric the server publishes, in one place. Generation phases are observed when a sequence
// ends, from the engine's own clock, not when frames reach a socket.

package final class ServerMetrics: Sendable {
  /// Seconds; reaches far because a CPU may take minutes for a long answer.
  private static let latencyBounds: [Double] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320,
    640,
  ]
  private static let interTokenBounds: [Double] = [
    0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5, 5,
  ]

  package let httpRequests = Counter(
    "martlet_http_requests_total", "HTTP requests answered.",
    labels: ["route", "method", "status"])
  package let httpDuration = Histogram(
    "martlet_http_request_duration_seconds",
    "From the request's head to the last byte of its answer.",
    labels: ["route"], bounds: latencyBounds)
  package let rejected = Counter(
    "martlet_requests_rejected_total", "Generation requests refused before they ran.",
    labels: ["reason"])
  package let finished = Counter(
    "martlet_requests_finished_total", "Generated choices by how they ended.", labels: ["reason"])
  package let promptTokens = Counter(
    "martlet_prompt_tokens_total", "Prompt tokens of generation requests.")
  package let cachedPromptTokens = Counter(
    "martlet_prompt_tokens_cached_total",
    "Those of them that were found in the KV cache instead of being computed.")
  package let generationTokens = Counter("martlet_generation_tokens_total", "Tokens generated.")
  package let draftTokens = Counter(
    "martlet_draft_tokens_total", "Guesses at tokens to come that were computed.")
  package let acceptedDraftTokens = Counter(
    "martlet_draft_tokens_accepted_total",
    "Generated tokens that took no step of their own, since a guess came true.")
  package let embeddingTokens = Counter("martlet_embedding_tokens_total", "Tokens embedded.")
  package let embeddingTexts = Counter("martlet_embedding_texts_total", "Texts embedded.")
  package let timeToFirstToken = Histogram(
    "martlet_time_to_first_token_seconds", "From submission to the first token.",
    bounds: latencyBounds)
  package let interTokenLatency = Histogram(
    "martlet_inter_token_latency_seconds", "Mean time between the tokens of one choice.",
    bounds: interTokenBounds)
  package let queueTime = Histogram(
    "martlet_request_queue_time_seconds", "From submission to the first computed prompt token.",
    bounds: latencyBounds)
  package let prefillTime = Histogram(
    "martlet_request_prefill_time_seconds",
    "From the first computed prompt token to the first token.",
    bounds: latencyBounds)
  package let decodeTime = Histogram(
    "martlet_request_decode_time_seconds", "From the first token to the last.",
    bounds: latencyBounds)
  package let endToEnd = Histogram(
    "martlet_e2e_request_latency_seconds", "From submission to the last token.",
    bounds: latencyBounds)
  package let retrievalDuration = Histogram(
    "martlet_retrieval_duration_seconds", "One retrieve request, embedding included.",
    labels: ["mode"], bounds: latencyBounds)
  package let retrievalCalls = Counter(
    "martlet_retrieval_calls_total", "Calls of the chat model on the way to an answer.",
    labels: ["purpose"])
  package let retrievalAnswers = Counter(
    "martlet_retrieval_answers_total",
    "Chat requests answered from documents by their chain, or not_found.", labels: ["chain"])
  package let ingestedChunks = Counter("martlet_ingested_chunks_total", "Chunks written.")

  package init() {}

  /// The whole exposition; `gauges` and `readings` are what the composition root reads from the
  /// running parts.
  func exposition(gauges: [Gauge], readings: [CounterReading] = []) -> String {
    var text = PrometheusText()
    for counter in [
      httpRequests, rejected, finished, promptTokens, cachedPromptTokens, generationTokens,
      draftTokens, acceptedDraftTokens, embeddingTokens, embeddingTexts, retrievalCalls,
      retrievalAnswers, ingestedChunks,
    ] {
      counter.render(into: &text)
    }
    for histogram in [
      httpDuration, timeToFirstToken, interTokenLatency, queueTime, prefillTime, decodeTime,
      endToEnd, retrievalDuration,
    ] {
      histogram.render(into: &text)
    }
    for gauge in gauges { gauge.render(into: &text) }
    for reading in readings { reading.render(into: &text) }
    return text.text
  }
}
