// Puts retrieved passages into a conversation ("stuff"): searches with the last user message, adds
// as many passages as fit the prompt's budget, best first, and tells which were used.

import JSON
import Retrieval

struct ContextBuilder {
  let documents: DocumentStore
  let metrics: ServerMetrics
  /// Tokens that the rendered prompt may have.
  let tokenBudget: Int
  /// Template and tokenizer of the model.
  let render: ([JSONValue]) throws(APIError) -> [Int32]

  /// - Parameter fields: the request's `retrieval` object.
  func build(
    fields: JSONValue, messages: [JSONValue]
  ) async throws -> (tokens: [Int32], retrieved: RetrievedPassages?) {
    guard let question = ChatPrompt.question(in: messages), !question.isEmpty else {
      throw APIError.invalid(
        "retrieval needs a user message with text to search for.", param: "messages")
    }
    let request = try RetrievalRequest(
      json: fields, subject: .query(question), field: "retrieval")
    let watch = Stopwatch()
    let results = try await documents.retrieve(request).results.first ?? []
    metrics.retrievalDuration.observe(watch.seconds, request.effectiveMode.rawValue)
    RequestTrace.note("passages", results.count)

    let prompt = RetrievalPrompt.matching(question: question)
    let texts = results.map(\.passage)
    var used = texts.count
    var tokens = try render(prompt.adding(texts, to: messages))
    // The number that fits is found by halving: rendering is quick but not free.
    if tokens.count > tokenBudget {
      var (fits, tooMany) = (0, used)
      while tooMany - fits > 1 {
        let middle = (fits + tooMany) / 2
        let attempt = try render(prompt.adding(Array(texts.prefix(middle)), to: messages))
        if attempt.count <= tokenBudget { fits = middle } else { tooMany = middle }
      }
      used = fits
      tokens = try render(prompt.adding(Array(texts.prefix(used)), to: messages))
    }
    return (tokens, RetrievedPassages(results: results, usedCount: used))
  }
}
