// POST /retrieve, /v1/retrieve

import HTTP
import JSON
import Retrieval

struct Retrieve: Sendable {
  let state: ServerState
  let metrics: ServerMetrics

  func respond(to request: Request) async throws -> Response {
    let retrieval = try RetrievalRequest(json: try request.json())
    let watch = Stopwatch()
    let response = try await state.documentStore().retrieve(retrieval)
    metrics.retrievalDuration.observe(watch.seconds, retrieval.effectiveMode.rawValue)
    metrics.embeddingTokens.increment(by: Double(response.promptTokens))
    RequestTrace.note("collection", retrieval.collection)
    RequestTrace.note("results", response.results.reduce(0) { $0 + $1.count })
    return try .json(response.json)
  }
}
