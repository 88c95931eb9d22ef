// /collections/{name}/documents, /collections/{name}/documents/{id}

import HTTP
import HTTPTypes
import JSON
import Retrieval

struct Documents: Sendable {
  let state: ServerState
  let metrics: ServerMetrics
  let jobs: JobBoard

  /// JSON, one document or an array; a raw body of another content type; or the files of a form.
  func store(_ request: Request) async throws -> Response {
    let store = try state.documentStore()
    let wantsJob = try request.wantsJob()
    var documents: [DocumentInput] = []
    for source in try DocumentUpload.sources(of: request) {
      documents += try await store.documents(from: source)
    }
    if wantsJob {
      return try .accepted(try await start(documents, in: request.name, store))
    }
    let report = try await store.putDocuments(documents, in: request.name)
    metrics.ingestedChunks.increment(by: Double(report.chunks))
    RequestTrace.note("documents", report.documents)
    RequestTrace.note("chunks", report.chunks)
    return try .json(report.json)
  }

  /// Stores the documents a few at a time while nobody waits.
  private func start(
    _ documents: [DocumentInput], in name: String, _ store: DocumentStore
  ) async throws -> Job {
    try await store.check(documents, in: name)
    return try await jobs.start(
      .ingest, collection: name, total: documents.count, store: store
    ) { [metrics] progress in
      let report = try await store.putDocumentsInParts(documents, in: name, progress: progress)
      metrics.ingestedChunks.increment(by: Double(report.chunks))
      return report.json
    }
  }

  func list(_ request: Request) async throws -> Response {
    var limit = 100
    if let text = request.queryValue("limit") {
      guard let number = Int(text) else {
        throw APIError.invalid("limit is '\(text)', expected a whole number.", param: "limit")
      }
      limit = number
    }
    let page = try await state.documentStore().documents(
      in: request.name, limit: limit, after: request.queryValue("after"))
    return try .json(page.json)
  }

  func get(_ request: Request) async throws -> Response {
    let document = try await state.documentStore().document(request.documentID, in: request.name)
    return try .json(document.json)
  }

  /// `{"metadata": {...}}`; nothing is embedded again.
  func updateMetadata(_ request: Request) async throws -> Response {
    guard let metadata = try request.json()["metadata"]?.object else {
      throw APIError.invalid("metadata must be an object.", param: "metadata")
    }
    let document = try await state.documentStore().patchDocument(
      request.documentID, metadata: metadata, in: request.name)
    return try .json(document.json)
  }

  func delete(_ request: Request) async throws -> Response {
    try await state.documentStore().deleteDocument(request.documentID, in: request.name)
    return Response(.noContent)
  }

  /// `{"filter": {...}}`
  func deleteMatching(_ request: Request) async throws -> Response {
    guard let filter = try request.json()["filter"] else {
      throw APIError.invalid("filter is missing.", param: "filter")
    }
    let count = try await state.documentStore().deleteDocuments(
      matching: try Filter(json: filter), in: request.name)
    return try .json(["deleted": .integer(Int64(count))] as JSONValue)
  }
}

extension Request {
  fileprivate var documentID: String { parameters["id"] ?? "" }
}
