// Collections: making, changing, listing and deleting them. Settings decide what is stored, so
// those of a collection that holds documents can't be changed but by reindexing it.

import GRDB

extension DocumentStore {
  package func collections() async throws -> [CollectionInfo] {
    try await database.read { try CollectionRecord.all($0) }
      .filter { !$0.name.hasPrefix(".") }.map(info)
  }

  package func collection(_ name: String) async throws -> CollectionInfo {
    info(try await database.read { try CollectionRecord.require(name, $0) })
  }

  /// Makes the collection, or changes the settings of one. What the update leaves out stays as it
  /// is, or becomes the default.
  package func putCollection(_ name: String, _ update: CollectionSettingsUpdate = .init())
    async throws -> (created: Bool, collection: CollectionInfo)
  {
    try Self.validate(collectionName: name)
    try validate(embeddingModel: update.embeddingModel)
    let identity = embedder?.identity
    let (created, record) = try await database.commit { database in
      guard var record = try CollectionRecord.find(name, database) else {
        let settings = try CollectionSettings().applying(update)
        let record = try CollectionRecord.insert(
          name: name, settings: settings, embedding: identity, now: Self.now(), database)
        return (true, record)
      }
      let settings = try record.settings.applying(update)
      guard try DocumentRecord.count(in: record.id, database) == 0 else {
        try Self.refuseChange(of: record, to: settings, update, loaded: identity)
        return (false, record)
      }
      record.settings = settings
      record.embedding = identity ?? record.embedding
      try record.update(database)
      return (false, record)
    } publish: { [indexes] created, record in
      // An empty collection's index is made anew: metric and dimension may have changed.
      if indexes.current(record.id)?.documentCount ?? 0 == 0 {
        indexes.set(CollectionIndex(record))
      }
    }
    return (created, info(record))
  }

  /// Removes a collection with its documents; the default one is left empty, with default settings.
  package func deleteCollection(_ name: String) async throws {
    let identity = embedder?.identity
    _ = try await database.commit { database in
      let record = try CollectionRecord.require(name, database)
      let staged = try CollectionRecord.find(Self.stagedName(of: name), database)
      let deleted = [record] + (staged.map { [$0] } ?? [])
      for record in deleted { try record.delete(database) }
      guard name == Self.defaultCollection else { return (deleted, CollectionRecord?.none) }
      let fresh = try CollectionRecord.insert(
        name: name, settings: CollectionSettings(), embedding: identity, now: Self.now(), database)
      return (deleted, fresh)
    } publish: { [indexes, snapshots] deleted, fresh in
      for record in deleted {
        indexes.remove(record.id)
        snapshots.remove(record.id)
      }
      if let fresh { indexes.set(CollectionIndex(fresh)) }
    }
  }

  // MARK: Rules

  private static func validate(collectionName name: String) throws(RetrievalError) {
    let allowed = name.utf8.allSatisfy { byte in
      byte.isASCIILetter || byte.isASCIIDigit || [0x2D, 0x2E, 0x5F].contains(byte)
    }
    guard allowed, (1...64).contains(name.utf8.count),
      let first = name.utf8.first, first.isASCIILetter || first.isASCIIDigit
    else {
      throw .invalidRequest(
        field: "collection",
        message: """
          "\(name)" is no name for a collection: use 1 to 64 letters, digits, dots, hyphens and \
          underscores, starting with a letter or digit
          """)
    }
  }

  func validate(embeddingModel name: String?) throws(RetrievalError) {
    guard let name else { return }
    guard let identity = embedder?.identity else { throw .embeddingModelMissing }
    guard name == identity.name else {
      throw .invalidRequest(
        field: "embedding_model",
        message: """
          "\(name)" is not loaded; the server runs "\(identity.name)": name that one, or start the \
          server with --embedding-model
          """)
    }
  }

  private static func refuseChange(
    of record: CollectionRecord, to settings: CollectionSettings,
    _ update: CollectionSettingsUpdate, loaded: EmbedderIdentity?
  ) throws(RetrievalError) {
    if settings != record.settings {
      throw .conflict(
        message: """
          collection "\(record.name)" holds documents, so its settings can't be changed but with \
          them: POST /collections/\(record.name)/reindex with the new settings (martlet reindex)
          """)
    }
    if update.embeddingModel != nil, let stored = record.embedding, let loaded,
      !stored.isCompatible(with: loaded)
    {
      throw .embeddingModelMismatch(collection: record.name, stored: stored, loaded: loaded)
    }
  }

  func info(_ record: CollectionRecord) -> CollectionInfo {
    let index = indexes.current(record.id)
    return CollectionInfo(
      name: record.name, settings: record.settings, embedding: record.embedding,
      documentCount: index?.documentCount ?? 0, chunkCount: index?.liveRowCount ?? 0,
      createdAt: record.createdAt)
  }
}
