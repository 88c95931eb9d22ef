// Documents as they go out, and what an ingest and a listing answer.
// Offsets of chunks count Unicode scalars of `text`, which is stored and returned unaltered.

package import JSON

package struct StoredDocument: Sendable, Hashable {
  package var id: String
  package var text: String
  package var metadata: JSONObject
  package var source: String?
  package var chunkCount: Int
  /// Unix seconds.
  package var createdAt: Int
  package var updatedAt: Int

  package var json: JSONValue {
    [
      "id": .string(id), "text": .string(text), "metadata": .object(metadata),
      "source": source.map { .string($0) } ?? .null, "chunks": .integer(Int64(chunkCount)),
      "created": .integer(Int64(createdAt)), "updated": .integer(Int64(updatedAt)),
    ]
  }
}

/// One line of a listing: a document without its text.
package struct DocumentSummary: Sendable, Hashable {
  package var id: String
  package var metadata: JSONObject
  package var source: String?
  package var chunkCount: Int
  /// Unicode scalars of the text.
  package var characterCount: Int
  package var updatedAt: Int

  package var json: JSONValue {
    [
      "id": .string(id), "metadata": .object(metadata),
      "source": source.map { .string($0) } ?? .null, "chunks": .integer(Int64(chunkCount)),
      "characters": .integer(Int64(characterCount)), "updated": .integer(Int64(updatedAt)),
    ]
  }
}

/// Documents in the order in which they were first stored.
package struct DocumentPage: Sendable, Hashable {
  package var documents: [DocumentSummary]
  /// The id to send as `after` for the next page; nil on the last page.
  package var next: String?

  package var json: JSONValue {
    [
      "documents": .array(documents.map(\.json)),
      "next": next.map { .string($0) } ?? .null,
    ]
  }
}

/// What became of a batch.
package struct IngestResult: Sendable, Hashable {
  /// Documents of the batch, unchanged ones included.
  package var documents = 0
  /// Chunks written; unchanged documents wrote none.
  package var chunks = 0
  package var unchanged = 0
  /// Chunks written whose end the embedding model did not see.
  package var truncatedChunks = 0
  /// Documents removed, because their source no longer holds them.
  package var removed = 0
  /// Tokens that the embedding model read.
  package var embeddedTokens = 0
  /// The ids, in the order of the batch.
  package var ids: [String] = []

  package init() {}

  package var json: JSONValue {
    [
      "documents": .integer(Int64(documents)), "chunks": .integer(Int64(chunks)),
      "unchanged": .integer(Int64(unchanged)), "removed": .integer(Int64(removed)),
      "truncated_chunks": .integer(Int64(truncatedChunks)),
    ]
  }
}
