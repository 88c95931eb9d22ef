// Single documents: listing, reading, changing metadata, deleting. Nothing here embeds anything.

import GRDB
package import JSON

extension DocumentStore {
  package static let maximumPageSize = 1000

  /// Documents in the order in which they were first stored, from behind the one named `after`.
  /// - Parameter source: only those that were read from it
  package func documents(
    in name: String, of source: String? = nil, limit: Int = 100, after: String? = nil
  ) async throws -> DocumentPage {
    guard (1...Self.maximumPageSize).contains(limit) else {
      throw RetrievalError.invalidRequest(
        field: "limit", message: "\(limit) is not within 1 to \(Self.maximumPageSize)")
    }
    return try await database.read { database in
      let record = try CollectionRecord.require(name, database)
      var start: Int64 = 0
      if let after {
        guard let last = try DocumentRecord.find(after, in: record.id, database) else {
          throw RetrievalError.invalidRequest(
            field: "after", message: "there is no document \"\(after)\"")
        }
        start = last.id
      }
      // One more tells whether there is a next page.
      let found = try DocumentRecord.summaries(
        in: record.id, of: source, after: start, limit: limit + 1, database)
      let page = Array(found.prefix(limit))
      return DocumentPage(documents: page, next: found.count > limit ? page.last?.id : nil)
    }
  }

  package func document(_ id: String, in name: String) async throws -> StoredDocument {
    try await database.read { database in
      let record = try CollectionRecord.require(name, database)
      guard let document = try DocumentRecord.storedDocument(id, in: record.id, database) else {
        throw RetrievalError.documentNotFound(collection: name, id: id)
      }
      return document
    }
  }

  /// Merges `changes` into the document's metadata (RFC 7396): null removes a member.
  package func patchDocument(_ id: String, metadata changes: JSONObject, in name: String)
    async throws -> StoredDocument
  {
    let (document, _) = try await database.commit { database in
      let record = try CollectionRecord.require(name, database)
      guard let stored = try DocumentRecord.find(id, in: record.id, database),
        var document = try DocumentRecord.storedDocument(id, in: record.id, database)
      else { throw RetrievalError.documentNotFound(collection: name, id: id) }
      document.metadata = JSONValue.merge(changes, into: document.metadata)
      document.updatedAt = Self.now()
      let hash = ContentHash(text: document.text, metadata: document.metadata)
      try DocumentRecord.update(
        stored.id, metadata: document.metadata, contentHash: hash.content, source: stored.source,
        now: document.updatedAt, database)
      var change = IndexChange(
        collection: record.id, generation: try record.raiseGeneration(database))
      change.metadata = [(stored.id, document.metadata)]
      return (document, change)
    } publish: { [indexes] _, change in
      indexes.apply(change)
    }
    return document
  }

  package func deleteDocument(_ id: String, in name: String) async throws {
    let deleted = try await delete(in: name) { record, database in
      try DocumentRecord.find(id, in: record.id, database).map { [$0.id] } ?? []
    }
    if deleted == 0 { throw RetrievalError.documentNotFound(collection: name, id: id) }
  }

  /// Deletes the documents that pass the filter; how many there were.
  package func deleteDocuments(matching filter: Filter, in name: String) async throws -> Int {
    try await delete(in: name) { [indexes] record, _ in
      // Inside the writer's turn the index is exactly what is committed.
      indexes.current(record.id)?.documents(matching: filter) ?? []
    }
  }

  /// Deletes those of the documents that there are, in one transaction; how many there were.
  /// - Parameter source: where there is one, only its documents
  package func deleteDocuments(
    _ ids: [String], of source: String? = nil, in name: String
  ) async throws -> Int {
    // No stored id has control characters, and SQLite would read one only up to a NUL.
    let names = Set(ids).filter { !$0.hasControlCharacters }
    return try await delete(in: name) { record, database in
      try names.compactMap { name in
        let found = try DocumentRecord.find(name, in: record.id, database)
        return source == nil || found?.source == source ? found?.id : nil
      }
    }
  }

  /// Deletes what was stored from a source and is not among the documents that it holds now; how many
  /// there were.
  package func deleteDocuments(of source: String, except ids: [String], in name: String)
    async throws -> Int
  {
    guard !source.hasControlCharacters else { return 0 }
    return try await delete(in: name) { record, database in
      try DocumentRecord.ids(of: source, except: Set(ids), in: record.id, database)
    }
  }

  private func delete(
    in name: String, _ select: @Sendable (CollectionRecord, Database) throws -> [Int64]
  ) async throws -> Int {
    let change = try await database.commit { database -> IndexChange? in
      let record = try CollectionRecord.require(name, database)
      let ids = try select(record, database)
      guard !ids.isEmpty else { return nil }
      for id in ids { try DocumentRecord.delete(id, database) }
      var change = IndexChange(
        collection: record.id, generation: try record.raiseGeneration(database))
      change.removed = ids
      return change
    } publish: { [indexes] change in
      if let change { indexes.apply(change) }
    }
    return change?.removed.count ?? 0
  }
}

extension JSONValue {
  /// RFC 7396, section 2.
  fileprivate static func merge(_ changes: JSONObject, into target: JSONObject) -> JSONObject {
    var merged = target
    for (key, value) in changes {
      switch value {
      case .null: merged[key] = nil
      case .object(let inner):
        merged[key] = .object(merge(inner, into: merged[key]?.object ?? [:]))
      default: merged[key] = value
      }
    }
    return merged
  }
}
