// /collections/{name}/documents, /collections/{name}/documents/{id}

import Documents
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
    let upload = try DocumentUpload(of: request)
    for file in upload.files { documents += try await store.documents(from: file) }
    if let origin = upload.origin {
      for index in documents.indices { documents[index].source = origin }
    }
    if wantsJob {
      return try .accepted(try await start(documents, of: upload.origin, in: request.name, store))
    }
    var report = try await store.putDocuments(documents, in: request.name)
    if let origin = upload.origin {
      report.removed = try await store.deleteDocuments(
        of: origin, except: report.ids, in: request.name)
    }
    metrics.ingestedChunks.increment(by: Double(report.chunks))
    RequestTrace.note("documents", report.documents)
    RequestTrace.note("chunks", report.chunks)
    return try .json(report.json)
  }

  /// Stores the documents a few at a time while nobody waits.
  private func start(
    _ documents: [DocumentInput], of origin: String?, in name: String, _ store: DocumentStore
  ) async throws -> Job {
    try await store.check(documents, in: name)
    return try await jobs.start(
      .ingest, collection: name, total: documents.count, store: store
    ) { [metrics] progress in
      var report = try await store.putDocumentsInParts(documents, in: name, progress: progress)
      if let origin {
        report.removed = try await store.deleteDocuments(of: origin, except: report.ids, in: name)
      }
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
      in: request.name, of: request.queryValue("source"), limit: limit,
      after: request.queryValue("after"))
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

  /// `{"filter": {...}}` or `{"ids": [...]}`
  func deleteMatching(_ request: Request) async throws -> Response {
    let body = try request.json()
    let store = try state.documentStore()
    let count: Int
    switch (body["filter"], body["ids"]) {
    case (let filter?, nil):
      count = try await store.deleteDocuments(
        matching: try Filter(json: filter), in: request.name)
    case (nil, let list?):
      guard let values = list.array, case let ids = values.compactMap(\.string),
        ids.count == values.count
      else { throw APIError.invalid("ids must be an array of strings.", param: "ids") }
      count = try await store.deleteDocuments(ids, in: request.name)
    default:
      throw APIError.invalid("Say which documents by filter or by ids.", param: "filter")
    }
    return try .json(["deleted": .integer(Int64(count))] as JSONValue)
  }
}

extension Request {
  fileprivate var documentID: String { parameters["id"] ?? "" }
}
