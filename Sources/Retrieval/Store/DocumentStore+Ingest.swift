// Storing a batch of documents: check all, cut and embed those whose text is new, then one
// transaction for everything, then the index. Whatever goes wrong before the commit, nothing of the
// batch is stored. Documents that are stored already, text and metadata, cost nothing; of changed ones
// only those chunks are embedded whose text is new.

import Compute
package import Documents
import FoundationEssentials
import GRDB
import SearchIndex

/// Documents that need nothing but a transaction.
struct PlannedBatch: Sendable {
  /// Those that aren't stored as they are already.
  let documents: [PreparedDocument]
  let collection: CollectionRecord
  let embedding: EmbedderIdentity?
  /// What there is to say once they are stored.
  let result: IngestResult
}

extension DocumentStore {
  package func putDocuments(_ inputs: [DocumentInput], in name: String) async throws
    -> IngestResult
  {
    try await putDocuments(inputs, in: name, besides: nil)
  }

  /// - Parameter other: a collection that may hold vectors of the same texts
  func putDocuments(
    _ inputs: [DocumentInput], in name: String, besides other: CollectionRecord?
  ) async throws -> IngestResult {
    // Where it was planned for a collection that changed meanwhile (its place may have been taken by
    // a reindexed one), it is planned again. Reindexes of few documents follow each other quickly.
    for _ in 1..<Self.attempts {
      do {
        return try await commit(try await plan(inputs, in: name, besides: other))
      } catch RetrievalError.conflict {
        continue
      }
    }
    return try await commit(try await plan(inputs, in: name, besides: other))
  }

  private static let attempts = 8

  /// Cuts and embeds; stores nothing.
  func plan(
    _ inputs: [DocumentInput], in name: String, besides other: CollectionRecord? = nil
  ) async throws -> PlannedBatch {
    let (record, known) = try await lookUp(inputs, in: name)
    var batch = try await chunkingThread.perform { try PreparedDocument.batch(inputs) }
    var result = IngestResult()
    result.documents = batch.count
    result.ids = batch.map(\.name)
    batch.removeAll {
      known[$0.name]?.contentHash == $0.hash.content && known[$0.name]?.source == $0.source
    }
    result.unchanged = result.documents - batch.count
    let isNew = batch.map { known[$0.name]?.textHash != $0.hash.text }
    var identity = record.embedding
    if isNew.contains(true) {
      identity = try requireEmbedder(for: record)
      let prompt = record.prompts(embedder).passage
      result.embeddedTokens = try await cut(
        &batch, where: isNew, record.settings.chunking, prompt: prompt)
      try await reuseVectors(in: &batch, of: record)
      if let other, other.embedding == identity, other.prompts(embedder).passage == prompt {
        try await reuseVectors(in: &batch, of: other)
      }
      result.embeddedTokens += try await embed(&batch, prompt: prompt)
    }
    result.chunks = batch.reduce(0) { $0 + $1.chunks.count }
    result.truncatedChunks = batch.reduce(0) { $0 + $1.chunks.count { $0.truncated } }
    return PlannedBatch(
      documents: batch, collection: record, embedding: identity, result: result)
  }

  /// Stores what was planned. Throws a conflict where the collection is another one by now.
  func commit(_ batch: PlannedBatch) async throws -> IngestResult {
    if !batch.documents.isEmpty {
      try await commit(batch.documents, in: batch.collection, embedding: batch.embedding)
    }
    return batch.result
  }

  /// The collection, and what is stored under the ids of a batch.
  func lookUp(_ inputs: [DocumentInput], in name: String) async throws
    -> (CollectionRecord, [String: DocumentRecord])
  {
    let prepared = try await chunkingThread.perform {
      try PreparedDocument.batch(inputs).map(\.name)
    }
    return try await database.read { database in
      let record = try CollectionRecord.require(name, database)
      var known: [String: DocumentRecord] = [:]
      for name in prepared {
        known[name] = try DocumentRecord.find(name, in: record.id, database)
      }
      return (record, known)
    }
  }

  /// The model that the collection's vectors come from: an empty one takes whichever is loaded.
  private func requireEmbedder(for record: CollectionRecord) throws(RetrievalError)
    -> EmbedderIdentity
  {
    guard let loaded = embedder?.identity else { throw .embeddingModelMissing }
    if let stored = record.embedding, !stored.isCompatible(with: loaded),
      indexes.current(record.id)?.documentCount ?? 0 > 0
    {
      throw .embeddingModelMismatch(collection: record.name, stored: stored, loaded: loaded)
    }
    return loaded
  }

  /// Gives every chunk that has none its vector; the tokens that the model read.
  private func embed(_ batch: inout [PreparedDocument], prompt: String) async throws -> Int {
    guard let embedder else { throw RetrievalError.embeddingModelMissing }
    let places = batch.indices.flatMap { document in
      batch[document].chunks.indices.filter { batch[document].chunks[$0].vector.isEmpty }
        .map { (document: document, chunk: $0) }
    }
    var tokens = 0
    let size = max(1, configuration.embeddingBatchSize)
    for start in stride(from: 0, to: places.count, by: size) {
      try Task.checkCancellation()
      let part = places[start..<min(start + size, places.count)]
      let texts = part.map { batch[$0.document].chunks[$0.chunk].text }
      let embedded = try await Self.embed(texts, prompt: prompt, with: embedder)
      for (place, text) in zip(part, embedded) {
        batch[place.document].chunks[place.chunk].vector = text.vector
        batch[place.document].chunks[place.chunk].truncated = text.truncated
        tokens += text.tokenCount
      }
    }
    return tokens
  }

  /// The embedder's answer, checked.
  static func embed(_ texts: [String], prompt: String, with embedder: any Embedder) async throws
    -> [EmbeddedText]
  {
    let embedded = try await embedder.embed(texts, prompt: prompt)
    let dimension = embedder.identity.dimension
    guard embedded.count == texts.count else {
      throw RetrievalError.invalidEmbedding(
        message: "\(embedded.count) vectors for \(texts.count) texts")
    }
    for text in embedded {
      guard text.vector.count == dimension else {
        throw RetrievalError.invalidEmbedding(
          message: "\(text.vector.count) values where the model has \(dimension)")
      }
      guard Similarity.isUsable(text.vector) else {
        throw RetrievalError.invalidEmbedding(message: "values that are not finite, or too large")
      }
    }
    return embedded
  }

  // MARK: The transaction

  private func commit(
    _ batch: [PreparedDocument], in planned: CollectionRecord, embedding: EmbedderIdentity?
  ) async throws {
    let rows = batch.reduce(0) { $0 + $1.chunks.count }
    _ = try await database.commit { [indexes, pool] database in
      var record = try CollectionRecord.require(planned.name, database)
      guard record.id == planned.id, record.settings == planned.settings else {
        throw Self.changedMeanwhile(planned.name)
      }
      if record.embedding != embedding {
        try Self.adopt(embedding, for: &record, indexes, database)
      }
      try indexes.reserve(rows, in: record.id)
      var change = IndexChange(collection: record.id, generation: 0)
      for document in batch { try Self.write(document, in: record, &change, database) }
      change.generation = try record.raiseGeneration(database)
      if let words = indexes.current(record.id)?.words, !change.added.isEmpty {
        change.words = try words.appending(
          change.added.flatMap(\.chunks).map(\.text), language: record.settings.language, pool)
      }
      return change
    } publish: { [indexes] change in
      indexes.apply(change)
    }
  }

  /// An empty collection takes over the loaded model; one with documents must have it already.
  private static func adopt(
    _ embedding: EmbedderIdentity?, for record: inout CollectionRecord, _ indexes: IndexCatalog,
    _ database: Database
  ) throws {
    guard try DocumentRecord.count(in: record.id, database) == 0 else {
      guard let stored = record.embedding, let embedding, stored.isCompatible(with: embedding)
      else { throw changedMeanwhile(record.name) }
      return
    }
    record.embedding = embedding
    try record.update(database)
    indexes.setEmpty(record)
  }

  private static func changedMeanwhile(_ name: String) -> RetrievalError {
    .conflict(message: "collection \"\(name)\" was changed meanwhile; send the batch again")
  }

  private static func write(
    _ document: PreparedDocument, in record: CollectionRecord, _ change: inout IndexChange,
    _ database: Database
  ) throws {
    let now = Self.now()
    let id: Int64
    if let stored = try DocumentRecord.find(document.name, in: record.id, database) {
      id = stored.id
      if stored.textHash == document.hash.text {
        try DocumentRecord.update(
          id, metadata: document.metadata, contentHash: document.hash.content,
          source: document.source, now: now, database)
        change.metadata.append((id, document.metadata))
        return
      }
      // Planned as a change of metadata only, while another batch replaced the text.
      guard document.isCut else { throw changedMeanwhile(record.name) }
      try DocumentRecord.deleteChunks(of: id, database)
      try DocumentRecord.update(id, with: document, now: now, database)
      change.removed.append(id)
    } else {
      guard document.isCut else { throw changedMeanwhile(record.name) }
      id = try DocumentRecord.insert(document, in: record.id, now: now, database)
    }
    let chunkIDs = try DocumentRecord.insertChunks(document.chunks, of: id, database)
    change.added.append(
      IndexChange.Addition(
        rowID: id, name: document.name, metadata: document.metadata,
        chunks: zip(chunkIDs, document.chunks).map { id, chunk in
          IndexChange.Chunk(id: id, vector: chunk.vector, text: chunk.text)
        }))
  }
}
