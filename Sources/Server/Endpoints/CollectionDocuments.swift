// /collections/{name}/documents, /collections/{name}/documents/{id}

import Documents
import HTTP
import HTTPTypes
import JSON
import Retrieval

struct CollectionDocuments: Sendable {
  let state: ServerState
  let metrics: ServerMetrics
  let jobs: JobBoard
  private let sources = SourceTurns()

  init(state: ServerState, metrics: ServerMetrics, jobs: JobBoard) {
    self.state = state
    self.metrics = metrics
    self.jobs = jobs
  }

  /// JSON, one document or an array; a raw body of another content type; or the files of a form.
  func store(_ request: Request) async throws -> Response {
    let store = try state.documentStore()
    var documents: [DocumentInput] = []
    let upload = try DocumentUpload(of: request)
    for file in upload.files { documents += try await store.documents(from: file) }
    if let id = request.parameters["id"] { try Self.name(&documents, id) }
    let turn = try upload.origin.map { origin in
      guard request.parameters["id"] == nil else {
        throw APIError.invalid(
          "source in the query says that the request holds all of a source's documents; for one "
            + "document put it into the body.", param: "source")
      }
      for index in documents.indices { documents[index].source = origin }
      return try sources.take(origin, in: request.name)
    }
    if upload.wantsJob {
      return try .accepted(try await start(documents, of: turn, in: request.name, store))
    }
    defer { turn?.end() }
    var report = try await store.putDocuments(documents, in: request.name)
    try await removeOthers(than: &report, of: turn, in: request.name, store)
    metrics.ingestedChunks.increment(by: Double(report.chunks))
    RequestTrace.note("documents", report.documents)
    RequestTrace.note("chunks", report.chunks)
    return try .json(report.json)
  }

  /// Under the id of a path belongs one document, which has no other.
  private static func name(_ documents: inout [DocumentInput], _ id: String) throws(APIError) {
    guard documents.count == 1 else {
      throw .invalid(
        "The path names one document and the body holds \(documents.count); send them to the path "
          + "without an id.", param: "id")
    }
    let own = documents[0].id ?? id
    guard own == id else {
      throw .invalid(
        "The path names the document '\(id)' and the body '\(own)'; leave one of them out.",
        param: "id")
    }
    documents[0].id = id
  }

  /// Stores the documents a few at a time while nobody waits.
  private func start(
    _ documents: [DocumentInput], of turn: SourceTurns.Turn?, in name: String,
    _ store: DocumentStore
  ) async throws -> Job {
    try await store.check(documents, in: name)
    return try await jobs.start(
      .ingest, collection: name, total: documents.count, store: store
    ) { progress in
      defer { turn?.end() }
      var report = try await store.putDocumentsInParts(documents, in: name, progress: progress)
      try await removeOthers(than: &report, of: turn, in: name, store)
      metrics.ingestedChunks.increment(by: Double(report.chunks))
      return report.json
    }
  }

  /// Removes what the source held before and holds no more, now that what it holds is stored.
  private func removeOthers(
    than report: inout IngestResult, of turn: SourceTurns.Turn?, in name: String,
    _ store: DocumentStore
  ) async throws {
    guard let turn else { return }
    report.removed = try await store.deleteDocuments(of: turn.source, except: report.ids, in: name)
  }

  func list(_ request: Request) async throws -> Response {
    try request.refuseOtherParameters(than: ["limit", "after", "source"])
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
    let body = try JSONFields(request.json())
    try body.refuseOthers(than: ["metadata"])
    guard let metadata = body.value("metadata")?.object else {
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

  /// `{"filter": {...}}`, or `{"ids": [...]}` and perhaps the `source` that they must still be of.
  func deleteMatching(_ request: Request) async throws -> Response {
    let body = try JSONFields(request.json())
    try body.refuseOthers(than: ["filter", "ids", "source"])
    let store = try state.documentStore()
    let source = try body.string("source")
    let count: Int
    switch (body.value("filter"), body.value("ids")) {
    case (let filter?, nil):
      // Left unread, it would be documents of other sources that are deleted.
      guard source == nil else {
        throw APIError.invalid("source goes with ids, not with a filter.", param: "source")
      }
      count = try await store.deleteDocuments(
        matching: try Filter(json: filter), in: request.name)
    case (nil, let list?):
      guard let values = list.array, case let ids = values.compactMap(\.string),
        ids.count == values.count
      else { throw APIError.invalid("ids must be an array of strings.", param: "ids") }
      count = try await store.deleteDocuments(ids, of: source, in: request.name)
    default:
      throw APIError.invalid("Say which documents by filter or by ids.", param: "filter")
    }
    return try .json(["deleted": .integer(Int64(count))] as JSONValue)
  }
}

extension Request {
  fileprivate var documentID: String { parameters["id"] ?? "" }
}
