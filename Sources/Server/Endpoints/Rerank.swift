// POST /v1/rerank, /rerank

import HTTP
import Inference
import JSON

struct Rerank: Sendable {
  static let maximumDocuments = 2048

  let state: ServerState

  func respond(to request: Request) async throws -> Response {
    let body = try request.decode(RerankRequest.self)
    let model = try state.rerankModel(named: body.model)
    let documents = body.documents
    guard (1...Self.maximumDocuments).contains(documents.count) else {
      throw APIError.invalid(
        "documents has \(documents.count) entries; 1 to \(Self.maximumDocuments) are accepted.",
        param: "documents")
    }
    guard !body.query.isEmpty else { throw APIError.invalid("query is empty.", param: "query") }
    let count = body.topN ?? documents.count
    guard count >= 1 else {
      throw APIError.invalid("top_n is \(count); at least 1 is needed.", param: "top_n")
    }
    let batch = try await model.reranker.scores(query: body.query, texts: documents.map(\.text))
    RequestTrace.note("model", model.id)
    RequestTrace.note("documents", documents.count)
    let scores = batch.scores
    let order = scores.indices.sorted { (scores[$1], $0) < (scores[$0], $1) }
    let results = order.prefix(count).map { index in
      RerankResponse.Result(
        index: index, relevanceScore: Double(scores[index]),
        document: body.returnDocuments == true ? .init(text: documents[index].text) : nil)
    }
    return try .json(
      RerankResponse(
        model: model.id, results: results, usage: Usage(promptTokens: batch.tokenCount)))
  }
}
