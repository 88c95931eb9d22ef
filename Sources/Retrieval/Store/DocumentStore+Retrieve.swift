// Answering a search: embed the queries, then search one consistent state of the collection.
// An index and a database snapshot belong together when their generations are equal; between a
// commit and its publication they differ for a moment, and the search starts over.

import GRDB
import SearchIndex

extension DocumentStore {
  package func retrieve(_ request: RetrievalRequest) async throws -> RetrievalResponse {
    try request.validate()
    let clock = ContinuousClock()
    let start = clock.now
    if let rerank = request.rerank { _ = try requireReranker(rerank) }
    let record = try await database.read { try CollectionRecord.require(request.collection, $0) }
    var (queries, isBatch, tokens) = (Self.queries(of: request), false, 0)
    if case .queries = request.subject { isBatch = true }
    if request.effectiveMode != .sparse {
      try requireModel(of: record)
      tokens = try await embed(&queries, request.hypothetical, for: record)
    }
    let embedded = clock.now
    var results = try await search(request.findingCandidates, queries)
    let found = clock.now
    if let rerank = request.rerank {
      for number in results.indices {
        results[number] = try await reranked(
          results[number], for: queries[number].text ?? "", by: rerank,
          count: request.rerankedCount, minimumScore: request.minimumScore)
      }
    }
    var timings = RetrievalTimings()
    timings.embedMilliseconds = (embedded - start).milliseconds
    timings.searchMilliseconds = (found - embedded).milliseconds
    timings.rerankMilliseconds = (clock.now - found).milliseconds
    timings.totalMilliseconds = (clock.now - start).milliseconds
    return RetrievalResponse(
      results: results, isBatch: isBatch, promptTokens: tokens, timings: timings)
  }

  private static func queries(of request: RetrievalRequest) -> [PassageQuery] {
    switch request.subject {
    case .query(let text): [PassageQuery(text: text)]
    case .queries(let texts): texts.map { PassageQuery(text: $0) }
    case .vector(let vector): [PassageQuery(vector: vector)]
    }
  }

  /// Vectors of different models can't be compared.
  private func requireModel(of record: CollectionRecord) throws(RetrievalError) {
    guard let loaded = embedder?.identity else { throw .embeddingModelMissing }
    if let stored = record.embedding, !stored.isCompatible(with: loaded),
      indexes.current(record.id)?.documentCount ?? 0 > 0
    {
      throw .embeddingModelMismatch(collection: record.name, stored: stored, loaded: loaded)
    }
  }

  /// Gives each query its vector; the tokens that the model read.
  private func embed(
    _ queries: inout [PassageQuery], _ hypothetical: String?, for record: CollectionRecord
  ) async throws -> Int {
    guard let embedder else { throw RetrievalError.embeddingModelMissing }
    let dimension = embedder.identity.dimension
    if let vector = queries.first?.vector {
      guard vector.count == dimension, Similarity.isUsable(vector) else {
        throw RetrievalError.invalidRequest(
          field: "vector",
          message: """
            collection "\(record.name)" has vectors of \(dimension) finite values, this one has \
            \(vector.count)
            """)
      }
      return 0
    }
    let prompts = record.prompts(embedder)
    let texts = queries.map { $0.text ?? "" }
    var embedded = try await Self.embed(texts, prompt: prompts.query, with: embedder)
    if let hypothetical {
      // An invented answer is a passage, not a question.
      embedded += try await Self.embed([hypothetical], prompt: prompts.passage, with: embedder)
    }
    for (number, text) in embedded.prefix(queries.count).enumerated() {
      queries[number].vector = text.vector
    }
    if hypothetical != nil, let extra = embedded.last?.vector {
      queries[0].vector = queries[0].vector.map { zip($0, extra).map { ($0 + $1) / 2 } }
    }
    return embedded.reduce(0) { $0 + $1.tokenCount }
  }

  private func search(_ request: RetrievalRequest, _ queries: [PassageQuery]) async throws
    -> [[RetrievedChunk]]
  {
    // Publication follows its commit at once: these are many times the longest wait.
    for attempt in 0..<1000 {
      if attempt > 0 { try await Task.sleep(for: .milliseconds(1)) }
      let results = try await database.read { [indexes, pool] database -> [[RetrievedChunk]]? in
        // The snapshot begins with this read; the index is taken after it, never before.
        let record = try CollectionRecord.require(request.collection, database)
        guard let index = indexes.current(record.id), index.generation == record.generation else {
          return nil
        }
        let search = PassageSearch(
          request: request, collection: record, index: index, pool: pool, database: database)
        return try search.run(queries)
      }
      if let results { return results }
    }
    throw RetrievalError.conflict(
      message: "collection \"\(request.collection)\" changes too fast to be searched; try again")
  }
}

extension Duration {
  fileprivate var milliseconds: Double {
    Double(components.seconds) * 1e3 + Double(components.attoseconds) / 1e15
  }
}
