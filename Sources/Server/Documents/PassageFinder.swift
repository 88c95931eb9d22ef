// From the question of a conversation to ranked passages: rewriting, further queries and a
// hypothetical answer where the request wants them, then the search.

import Inference
import JSON
import Retrieval

/// What was searched for and what was found.
struct FoundPassages: Sendable {
  /// The last user message, or what the model made of it.
  var question: String
  /// All that was searched for; the question comes first.
  var queries: [String]
  var hypothetical: String?
  /// Best first.
  var results: [RetrievedChunk]
}

struct PassageFinder: Sendable {
  let documents: DocumentStore
  let writer: QueryWriter
  let metrics: ServerMetrics

  func find(
    _ fields: JSONValue, _ options: AnswerOptions, in messages: [JSONValue]
  ) async throws -> FoundPassages {
    guard let asked = ChatPrompt.question(in: messages), !asked.trimmed.isEmpty else {
      throw APIError.invalid(
        "retrieval needs a user message with text to search for.", param: "messages")
    }
    // What is wrong is told before the model is asked anything.
    var request = try RetrievalRequest(
      json: fields, subject: .query(asked), field: "retrieval", besides: AnswerOptions.fields)
    try Self.check(request, options)
    _ = try await documents.collection(request.collection)
    let wanted = request.topK
    let question = options.rewrite ? try await writer.standalone(asked, in: messages) : asked
    async let alternatives =
      options.queries > 1
      ? writer.alternatives(to: question, count: options.queries - 1) : []
    async let hypothetical = options.hyde ? writer.hypotheticalAnswer(to: question) : nil
    let queries = [question] + (try await alternatives)
    request.hypothetical = try await hypothetical
    request.subject = .queries(queries)
    // What several queries find is fused first, and then read again for the question.
    let reranking = queries.count > 1 ? request.rerank : nil
    let (count, minimumScore) = (request.rerankedCount, request.minimumScore)
    if let reranking {
      request.rerank = nil
      request.minimumScore = nil
      request.topK = max(request.topK, reranking.candidates)
    }
    if queries.count > 1 { request.topK = max(request.topK, RankFusion.leastDepth) }

    let watch = Stopwatch()
    let response = try await documents.retrieve(request)
    metrics.retrievalDuration.observe(watch.seconds, request.effectiveMode.rawValue)
    metrics.embeddingTokens.increment(by: Double(response.promptTokens))
    var results =
      queries.count > 1
      ? RankFusion.fuse(response.results, count: reranking?.candidates ?? wanted)
      : response.results.first ?? []
    if let reranking {
      results = try await documents.reranked(
        results, for: question, by: reranking, count: count, minimumScore: minimumScore)
    }
    RequestTrace.note("passages", results.count)
    return FoundPassages(
      question: question, queries: queries, hypothetical: request.hypothetical, results: results)
  }

  private static func check(
    _ request: RetrievalRequest, _ options: AnswerOptions
  ) throws(RetrievalError) {
    guard request.effectiveMode == .sparse else { return }
    if options.hyde {
      throw .invalidRequest(
        field: "retrieval.hyde", message: "needs \"mode\": \"hybrid\" or \"dense\"")
    }
    if options.chain.isMixture {
      throw .invalidRequest(
        field: "retrieval.mode",
        message:
          "\"\(options.chain.rawValue)\" weighs passages by dense similarity; use \"hybrid\" "
          + "or \"dense\"")
    }
  }
}
