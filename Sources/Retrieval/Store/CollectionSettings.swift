// How a collection cuts, embeds and compares its documents, and what is known about it. Settings
// arrive as JSON with any of their fields missing; a missing field keeps what the collection has,
// or the default. Refuses unknown fields' values by naming the field and what is possible.

package import Documents
package import JSON
package import SearchIndex

package struct CollectionSettings: Sendable, Hashable {
  package var chunking = ChunkingSettings()
  package var metric = Metric.cosine
  /// A language tag; "en" (also "en-GB") stems English words and drops stop words from queries.
  package var language = "en"
  /// In front of queries and passages when they are embedded; nil: what the model's author says.
  package var queryPrompt: String?
  package var passagePrompt: String?

  package init() {}
}

/// The body of PUT /collections/{name}.
package struct CollectionSettingsUpdate: Sendable, Hashable {
  package var strategy: ChunkingStrategy?
  package var size: Int?
  package var overlap: Int?
  package var separator: String?
  package var threshold: Int?
  package var embeddingModel: String?
  package var metric: Metric?
  package var language: String?
  package var queryPrompt: String?
  package var passagePrompt: String?

  package init() {}
}

package struct CollectionInfo: Sendable, Hashable {
  package var name: String
  package var settings: CollectionSettings
  /// nil: created while no embedding model was loaded, and still empty.
  package var embedding: EmbedderIdentity?
  /// In force: the collection's own, or the loaded model's.
  package var prompts: EmbeddingPrompts
  package var documentCount: Int
  package var chunkCount: Int
  /// Unix seconds.
  package var createdAt: Int

  package var json: JSONValue {
    [
      "name": .string(name),
      "chunking": settings.chunking.json,
      "embedding_model": embedding.map { .string($0.name) } ?? .null,
      "dimension": embedding.map { .integer(Int64($0.dimension)) } ?? .null,
      "language": .string(settings.language),
      "metric": .string(settings.metric.rawValue),
      "prompts": prompts.json,
      "documents": .integer(Int64(documentCount)),
      "chunks": .integer(Int64(chunkCount)),
      "created": .integer(Int64(createdAt)),
    ]
  }
}
