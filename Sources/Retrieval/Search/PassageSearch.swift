// One search over one state of a collection: an index and the database snapshot of the same
// generation. Dense and lexical candidates, fusion, threshold, diversity, and only then the texts.
// Synchronous: it runs on a database reader's queue with the thread pool beside it.

import Compute
import GRDB
import JSON
import SearchIndex

/// One query, as text for the words, as a vector for the meaning.
struct PassageQuery: Sendable {
  var text: String?
  /// As the embedder gave it; nil in sparse mode.
  var vector: [Float]?
}

struct PassageSearch {
  let request: RetrievalRequest
  let collection: CollectionRecord
  let index: CollectionIndex
  let pool: ThreadPool
  let database: Database

  /// Candidates from each side in hybrid mode, at least.
  static let candidateCount = 100

  func run(_ queries: [PassageQuery]) throws -> [[RetrievedChunk]] {
    let mask = RowMask(index, filter: request.filter)
    let search = VectorSearch(
      index.matrix, index.similarity, mask: mask.allowed, pool: pool)
    let vectors = queries.map { $0.vector.map(index.similarity.prepared) }
    let usesVectors = request.effectiveMode != .sparse
    precondition(
      !usesVectors || index.liveRowCount == 0
        || vectors.allSatisfy { $0?.count == index.dimension },
      "queries are embedded by the model of the collection")
    let dense = usesVectors ? search.top(depth, for: vectors.map { $0 ?? [] }) : []
    return try queries.indices.map { number in
      var candidates = rank(
        queries[number], vectors[number], usesVectors ? dense[number] : [], search, mask)
      if let minimum = request.minimumScore {
        candidates.removeAll { (usesVectors ? $0.dense : $0.sparse) ?? -.infinity < minimum }
      }
      return try passages(for: select(candidates, vectors[number]))
    }
  }

  private var depth: Int {
    let wanted = max(request.topK, request.mmr?.fetchCount ?? 0)
    return request.effectiveMode == .hybrid ? max(wanted, Self.candidateCount) : wanted
  }

  /// Candidates with their scores, the best first.
  private func rank(
    _ query: PassageQuery, _ vector: [Float]?, _ dense: [ScoredRow], _ search: VectorSearch,
    _ mask: RowMask
  ) -> [Candidate] {
    if request.effectiveMode == .dense {
      return dense.enumerated().map { rank, hit in
        Candidate(row: hit.row, dense: hit.score, denseRank: rank + 1, score: hit.score)
      }
    }
    let text = LexicalQuery(query.text ?? "", language: collection.settings.language)
    let words = LexicalSearch(text, in: index.words, mask: mask.allowed)
    let sparse = words.top(depth)
    guard request.effectiveMode == .hybrid, let vector else {
      return sparse.enumerated().map { rank, hit in
        Candidate(row: hit.row, sparse: hit.score, sparseRank: rank + 1, score: hit.score)
      }
    }
    return Fusion.fuse(
      dense: dense, sparse: sparse, method: request.fusion,
      denseScore: { search.score(vector, row: $0) }, sparseScores: words.scores)
  }

  // MARK: Diversity

  private func select(_ candidates: [Candidate], _ vector: [Float]?) -> [Candidate] {
    guard let mmr = request.mmr else { return Array(candidates.prefix(request.topK)) }
    let pool = Array(candidates.prefix(mmr.fetchCount))
    return mmr.select(request.topK, of: pool, relevance: relevance(of: pool, vector)) {
      cosine(index.matrix.row($0.row), index.matrix.row($1.row))
    }
  }

  /// Likeness between chunks is their cosine; in dense mode relevance is the cosine to the query.
  /// Fused and BM25 scores have no such scale and are brought to 0...1.
  private func relevance(of candidates: [Candidate], _ vector: [Float]?) -> [Double] {
    if request.effectiveMode == .dense, let vector {
      return candidates.map { candidate in cosine(vector, index.matrix.row(candidate.row)) }
    }
    let range = ScoreRange(candidates.map(\.score))
    return candidates.map { range.scaled($0.score) }
  }

  private func cosine(_ left: UnsafePointer<Float>, _ right: UnsafePointer<Float>) -> Double {
    let product = kernels.dot(left, right, index.dimension)
    if index.similarity.metric == .cosine { return Double(product) }
    let squares =
      Double(kernels.dot(left, left, index.dimension))
      * Double(kernels.dot(right, right, index.dimension))
    return squares > 0 ? Double(product) / squares.squareRoot() : 0
  }

  // MARK: Texts

  private func passages(for candidates: [Candidate]) throws -> [RetrievedChunk] {
    try candidates.compactMap { candidate in
      guard let document = index.document(ofRow: candidate.row),
        let chunk = try ChunkRecord.find(index.chunkIDs[candidate.row], database)
      else { return nil }
      return RetrievedChunk(
        id: "\(document.name)#\(chunk.ordinal)", documentID: document.name, text: chunk.text,
        score: candidate.score,
        scores: ChunkScores(
          dense: candidate.dense, sparse: candidate.sparse, fused: candidate.fused),
        start: chunk.start, end: chunk.end, metadata: document.metadata,
        explanation: explanation(of: candidate))
    }
  }

  /// Each side's rank and what it added to the score, where that was asked for.
  private func explanation(of candidate: Candidate) -> JSONValue? {
    guard request.explain else { return Optional.none }
    func part(_ rank: Int?, _ score: Double?) -> JSONValue {
      var object: JSONObject = [
        "rank": rank.map { .integer(Int64($0)) } ?? .null,
        "score": score.map { .double($0) } ?? .null,
      ]
      if request.effectiveMode == .hybrid, request.fusion == .rrf {
        object["contribution"] = .double(Fusion.reciprocal(rank))
      }
      return .object(object)
    }
    return [
      "mode": .string(request.effectiveMode.rawValue),
      "dense": part(candidate.denseRank, candidate.dense),
      "sparse": part(candidate.sparseRank, candidate.sparse),
    ]
  }
}
