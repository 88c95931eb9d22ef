// One search over one state of a collection: an index and the database snapshot of the same
// generation. Dense and lexical candidates, fusion, threshold, selection, and only then the texts.
// Synchronous: it runs on a database reader's queue with the thread pool beside it.

import Compute
import Documents
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

  /// Candidates from each side, at least, where they are fused or thinned out.
  static let candidateCount = 100

  func run(_ queries: [PassageQuery]) throws -> [[RetrievedChunk]] {
    let mask = index.rows(passing: request.filter)
    let search = VectorSearch(index.matrix, index.similarity, mask: mask, pool: pool)
    let vectors = queries.map { $0.vector.map(index.similarity.prepared) }
    let usesVectors = request.effectiveMode != .sparse
    precondition(
      !usesVectors || index.liveRowCount == 0
        || vectors.allSatisfy { $0?.count == index.dimension },
      "queries are embedded by the model of the collection")
    let dense = usesVectors ? search.top(depth, for: vectors.map { $0 ?? [] }) : []
    return try queries.indices.map { number in
      let words = try words(queries[number], mask)
      var found = Found(
        depth: depth, dense: usesVectors ? dense[number] : [], sparse: words?.top(depth) ?? [])
      func chosen() -> [Candidate] {
        select(rank(vectors[number], found, search, words), vectors[number])
      }
      var candidates = chosen()
      // One document's chunks, or one text's copies, may be all that was found so far.
      while candidates.count < request.topK, mayHaveMore(found, than: candidates.count, mask),
        let depth = Self.depth(after: found.depth, rowCount: mask?.count ?? index.rowCount)
      {
        found = Found(
          depth: depth,
          dense: usesVectors ? search.top(depth, for: [vectors[number] ?? []])[0] : [],
          sparse: words?.top(depth) ?? [])
        candidates = chosen()
      }
      return try passages(for: candidates, words)
    }
  }

  /// The best of each side, as many as asked for where there are as many.
  private struct Found {
    var depth: Int
    var dense: [ScoredRow]
    var sparse: [ScoredRow]
  }

  /// Candidates from each side, at most, where those found first were too few: what comes after so many
  /// has little to do with the query, and deduplication compares each with all that were taken.
  static let maximumDepth = 10_000

  /// How many candidates to look for next; nil where enough were looked for.
  /// - Parameter rowCount: rows that may be found.
  static func depth(after depth: Int, rowCount: Int) -> Int? {
    let most = min(maximumDepth, rowCount)
    return depth < most ? min(8 * depth, most) : nil
  }

  /// Whether candidates further down could be answered in the place of repetitions.
  /// - Parameter count: candidates that were chosen from those found.
  private func mayHaveMore(_ found: Found, than count: Int, _ mask: RowBitmap?) -> Bool {
    guard isThinned else { return false }
    if let minimum = request.minimumScore {
      let judged = request.effectiveMode == .sparse ? found.sparse : found.dense
      if let last = judged.last, last.score < minimum { return false }
    }
    guard found.dense.count == found.depth || found.sparse.count == found.depth else {
      return false
    }
    let documents = index.documents
    // A filter lets all rows of a document pass or none.
    let rows = (0..<documents.slotCount).lazy.map { documents.rows(ofSlot: $0) }
      .filter { rows in rows.first.map { mask?[$0] ?? true } ?? false }
    return repetitions.canTake(moreThan: count, ofDocumentsWith: rows.map(\.count))
  }

  /// Candidates from each side. Where some will be left out, more are needed than are answered.
  private var depth: Int {
    let wanted = isThinned ? 4 * pooledCount : pooledCount
    return isThinned || request.effectiveMode == .hybrid ? max(wanted, Self.candidateCount) : wanted
  }

  private var isThinned: Bool {
    request.deduplication != nil || request.maximumPerDocument != nil
  }

  private var repetitions: RepetitionFilter {
    RepetitionFilter(
      deduplication: request.deduplication, maximumPerDocument: request.maximumPerDocument)
  }

  /// Candidates that are answered, or that those are chosen from.
  private var pooledCount: Int { max(request.topK, request.mmr?.fetchCount ?? 0) }

  /// The lexical side; nil in dense mode.
  private func words(_ query: PassageQuery, _ mask: RowBitmap?) throws(ComputeError) -> WordSearch?
  {
    guard request.effectiveMode != .dense else { return nil }
    return try WordSearch(
      query.text ?? "", index, mask, boosts: request.boosts, language: collection.settings.language,
      pool: pool)
  }

  /// Candidates with their scores, the best first, none below the threshold.
  private func rank(
    _ vector: [Float]?, _ found: Found, _ search: VectorSearch, _ words: WordSearch?
  ) -> [Candidate] {
    var candidates = fused(vector, found, search, words)
    if let minimum = request.minimumScore {
      let isSparse = request.effectiveMode == .sparse
      candidates.removeAll { (isSparse ? $0.sparse : $0.dense).score ?? -.infinity < minimum }
    }
    return candidates
  }

  private func fused(
    _ vector: [Float]?, _ found: Found, _ search: VectorSearch, _ words: WordSearch?
  ) -> [Candidate] {
    guard let words else {
      return found.dense.enumerated().map { rank, hit in
        Candidate(
          row: hit.row, dense: SideScore(score: hit.score, rank: rank + 1), score: hit.score)
      }
    }
    guard request.effectiveMode == .hybrid, let vector else {
      return found.sparse.enumerated().map { rank, hit in
        Candidate(
          row: hit.row, sparse: SideScore(score: hit.score, rank: rank + 1), score: hit.score)
      }
    }
    return Fusion.fuse(
      dense: found.dense, sparse: found.sparse, method: request.fusion,
      denseScore: { search.score(vector, row: $0) }, sparseScores: words.scores(ofRows:))
  }

  // MARK: Selection

  private func select(_ candidates: [Candidate], _ vector: [Float]?) -> [Candidate] {
    func likeness(_ left: Candidate, _ right: Candidate) -> Double {
      cosine(index.matrix.row(left.row), index.matrix.row(right.row))
    }
    let pool = repetitions.first(
      pooledCount, of: candidates,
      document: { index.documentSlots[$0.row] }, likeness: likeness)
    guard let mmr = request.mmr else { return pool }
    return mmr.select(
      request.topK, of: pool, relevance: relevance(of: pool, vector), likeness: likeness)
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

  private func passages(for candidates: [Candidate], _ words: WordSearch?) throws
    -> [RetrievedChunk]
  {
    let explanation = request.explain ? ScoreExplanation(request: request, words: words) : nil
    var context = request.expansion.map { PassageContext($0, database) }
    return try candidates.compactMap { candidate in
      guard let document = index.document(ofRow: candidate.row),
        let chunk = try ChunkRecord.find(index.chunkIDs[candidate.row], database)
      else { return nil }
      return RetrievedChunk(
        id: "\(document.name)#\(chunk.ordinal)", documentID: document.name, text: chunk.text,
        score: candidate.score,
        scores: ChunkScores(
          dense: candidate.dense.score, sparse: candidate.sparse.score, fused: candidate.fused),
        start: chunk.start, end: chunk.end, metadata: document.metadata,
        page: chunk.page, heading: chunk.heading,
        context: try context?.around(
          chunk, ofDocument: document.rowID,
          format: document.metadata[ExtractedFormat.key]?.string),
        explanation: explanation?.json(of: candidate))
    }
  }
}
