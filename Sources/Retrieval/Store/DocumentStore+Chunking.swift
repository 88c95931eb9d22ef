// Cutting documents into chunks, on the thread for it; where the chunker asks for embeddings of its
// own, those are made in between.

import Documents

extension DocumentStore {
  /// Cuts those documents of a batch whose text is new; the tokens that the model read for it.
  func cut(
    _ batch: inout [PreparedDocument], where isNew: [Bool], _ settings: ChunkingSettings,
    prompt: String
  ) async throws -> Int {
    let limit = embedder.map { TokenLimit($0, prompt: prompt) }
    if settings.strategy == .semantic {
      let chunker = SemanticChunker(
        size: settings.size, percentile: settings.threshold, limit: limit)
      return try await cut(&batch, where: isNew, chunker, prompt: prompt)
    }
    let documents = batch
    batch = try await chunkingThread.perform {
      zip(documents, isNew).map { document, isNew in
        guard isNew else { return document }
        var document = document
        let text = ScalarText(document.text)
        let chunker = settings.chunker(limit: limit, format: document.format)
        document.cut(text, at: chunker.chunks(of: text), settings.strategy)
        return document
      }
    }
    return 0
  }

  private func cut(
    _ batch: inout [PreparedDocument], where isNew: [Bool], _ chunker: SemanticChunker,
    prompt: String
  ) async throws -> Int {
    guard let embedder else { throw RetrievalError.embeddingModelMissing }
    let documents = batch
    let plans = try await chunkingThread.perform {
      zip(documents, isNew).map { document, isNew in
        isNew ? chunker.plan(ScalarText(document.text)) : nil
      }
    }
    var vectors: [[[Float]]] = []
    var tokens = 0
    let size = max(1, configuration.embeddingBatchSize)
    for plan in plans {
      var found: [[Float]] = []
      let windows = plan?.windows ?? []
      for start in stride(from: 0, to: windows.count, by: size) {
        try Task.checkCancellation()
        let part = Array(windows[start..<min(start + size, windows.count)])
        let embedded = try await Self.embed(part, prompt: prompt, with: embedder)
        found += embedded.map(\.vector)
        tokens += embedded.reduce(0) { $0 + $1.tokenCount }
      }
      vectors.append(found)
    }
    let embedded = vectors
    batch = try await chunkingThread.perform {
      documents.indices.map { index in
        guard let plan = plans[index] else { return documents[index] }
        var document = documents[index]
        let text = ScalarText(document.text)
        document.cut(text, at: chunker.chunks(of: text, plan, vectors: embedded[index]), .semantic)
        return document
      }
    }
    return tokens
  }

  /// Gives chunks that a stored version of their document has as well the vectors from there.
  /// Relies on those being of the loaded model, which is asked before.
  func reuseVectors(
    in batch: inout [PreparedDocument], of record: CollectionRecord
  ) async throws {
    // Without one, nothing was embedded yet, and how long vectors are isn't known.
    guard record.embedding != nil else { return }
    let names = batch.map { $0.isCut ? $0.name : nil }
    let vectors = try await database.read { database in
      try names.map { name -> KnownVectors? in
        guard let name, let stored = try DocumentRecord.find(name, in: record.id, database) else {
          return nil
        }
        return try DocumentRecord.vectors(of: stored.id, dimension: record.dimension, database)
      }
    }
    for (index, vectors) in vectors.enumerated() {
      if let vectors { batch[index].reuse(vectors) }
    }
  }
}
