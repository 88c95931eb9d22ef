// What a search answers: one list of chunks per query, with every score it was ranked by.

package import JSON

package struct ChunkScores: Sendable, Hashable {
  /// Similarity by the collection's metric; nil in sparse mode.
  package var dense: Double?
  /// BM25; nil in dense mode and where no word of the query is in the chunk.
  package var sparse: Double?
  /// nil unless hybrid.
  package var fused: Double?
  /// The reranking model's; nil without one.
  package var rerank: Double?
}

/// The text around a chunk, the chunk included.
package struct ChunkContext: Sendable, Hashable {
  package var text: String
  /// Unicode scalars of the document's text.
  package var start: Int
  package var end: Int
}

package struct RetrievedChunk: Sendable, Hashable {
  /// The document's id, `#` and the chunk's number: the same as long as the text is the same.
  package var id: String
  package var documentID: String
  package var text: String
  /// The one ranked by; higher is better.
  package var score: Double
  package var scores: ChunkScores
  /// Unicode scalars of the document's text: `text` is exactly start..<end.
  package var start: Int
  package var end: Int
  package var metadata: JSONObject
  /// From 1; nil where the document has no pages.
  package var page: Int?
  /// Headings from the highest to the one the chunk is under, joined by " > ".
  package var heading: String?
  /// When the request asked for it.
  package var context: ChunkContext?
  /// The parts of the score, when the request asked for them.
  package var explanation: JSONValue?

  /// What there is to read for an answer.
  package var passage: String { context?.text ?? text }

  package var json: JSONValue {
    var object: JSONObject = [
      "id": .string(id), "document_id": .string(documentID), "text": .string(text),
      "score": .double(score),
      "scores": [
        "dense": scores.dense.map { .double($0) } ?? .null,
        "sparse": scores.sparse.map { .double($0) } ?? .null,
        "fused": scores.fused.map { .double($0) } ?? .null,
        "rerank": scores.rerank.map { .double($0) } ?? .null,
      ],
      "start": .integer(Int64(start)), "end": .integer(Int64(end)), "metadata": .object(metadata),
    ]
    if let page { object["page"] = .integer(Int64(page)) }
    if let heading { object["heading"] = .string(heading) }
    if let context {
      object["context"] = [
        "text": .string(context.text), "start": .integer(Int64(context.start)),
        "end": .integer(Int64(context.end)),
      ]
    }
    if let explanation { object["explain"] = explanation }
    return .object(object)
  }
}

package struct RetrievalTimings: Sendable, Hashable {
  package var embedMilliseconds = 0.0
  package var searchMilliseconds = 0.0
  package var rerankMilliseconds = 0.0
  package var totalMilliseconds = 0.0

  package var json: JSONValue {
    [
      "embed_ms": .double(embedMilliseconds), "search_ms": .double(searchMilliseconds),
      "rerank_ms": .double(rerankMilliseconds), "total_ms": .double(totalMilliseconds),
    ]
  }
}

package struct RetrievalResponse: Sendable, Hashable {
  /// One list per query.
  package var results: [[RetrievedChunk]]
  /// The request had `queries`: the wire form is then a list of lists even for one.
  package var isBatch: Bool
  /// Tokens that the embedding model read.
  package var promptTokens: Int
  package var timings: RetrievalTimings

  package var json: JSONValue {
    let lists = results.map { JSONValue.array($0.map(\.json)) }
    return [
      "results": isBatch ? .array(lists) : lists.first ?? .array([]),
      "usage": [
        "prompt_tokens": .integer(Int64(promptTokens)),
        "total_tokens": .integer(Int64(promptTokens)),
      ],
      "timings": timings.json,
    ]
  }
}
