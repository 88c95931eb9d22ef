// /collections, /collections/{name}, /collections/{name}/reindex

import HTTP
import HTTPTypes
import JSON
import Retrieval

struct Collections: Sendable {
  let state: ServerState
  let jobs: JobBoard

  func list(_ request: Request) async throws -> Response {
    let collections = try await state.documentStore().collections()
    return try .json(["collections": .array(collections.map(\.json))] as JSONValue)
  }

  func get(_ request: Request) async throws -> Response {
    try .json(try await state.documentStore().collection(request.name).json)
  }

  /// 201 when it wasn't there. An empty body takes every default.
  func put(_ request: Request) async throws -> Response {
    let update = try CollectionSettingsUpdate(json: try request.json(allowsEmpty: true))
    let (created, collection) = try await state.documentStore().putCollection(request.name, update)
    return try .json(collection.json, status: created ? .created : .ok)
  }

  /// Settings to change, or nothing; always a job.
  func reindex(_ request: Request) async throws -> Response {
    let update = try CollectionSettingsUpdate(json: try request.json(allowsEmpty: true))
    let (store, name) = (try state.documentStore(), request.name)
    try await store.checkReindex(name, update)
    let count = try await store.collection(name).documentCount
    return try .accepted(
      try await jobs.start(.reindex, collection: name, total: count, store: store) { progress in
        try await store.reindex(name, update, progress: progress).json
      })
  }

  func delete(_ request: Request) async throws -> Response {
    try await state.documentStore().deleteCollection(request.name)
    return Response(.noContent)
  }
}

extension Request {
  /// The collection of the path.
  var name: String { parameters["name"] ?? "" }
}
