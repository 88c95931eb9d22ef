// Everything that retrieval refuses, as one enum. Each case carries what a caller needs to choose a
// status and each message says what was wrong, where, and what to do about it.
// Errors of documents, of the embedder and cancellation pass through the facade as they are.

package enum RetrievalError: Error, Sendable, Hashable {
  // The request.
  case collectionNotFound(String)
  case documentNotFound(collection: String, id: String)
  /// A field of a request: `field` is its JSON path, such as `filter.filters[1].type`.
  case invalidRequest(field: String, message: String)
  /// Known, but not offered here.
  case unsupported(field: String, message: String)
  /// The state of the collection doesn't allow it.
  case conflict(message: String)

  // The embedding model.
  case embeddingModelMissing
  case rerankModelMissing
  case embeddingModelMismatch(
    collection: String, stored: EmbedderIdentity, loaded: EmbedderIdentity)
  /// The model answered something that can't be stored or searched.
  case invalidEmbedding(message: String)

  // The data directory and the database file.
  case dataDirectoryInUse(path: String, holder: String)
  case dataDirectoryUnusable(path: String, message: String)
  case databaseForeign(path: String)
  case databaseTooNew(path: String, version: Int, supported: Int)
  case databaseCorrupt(path: String, message: String)
  case databaseLocked(path: String)
  case databaseReadOnly(path: String)
  case diskFull(path: String)
  case storageFailure(path: String, message: String)
  /// A backup or restore that has nothing to copy, or would destroy something.
  case copyRefused(path: String, message: String)
}

extension RetrievalError {
  /// A stable word for machines.
  package var code: String {
    switch self {
    case .collectionNotFound: "collection_not_found"
    case .documentNotFound: "document_not_found"
    case .invalidRequest: "invalid_request"
    case .unsupported: "unsupported"
    case .conflict: "conflict"
    case .embeddingModelMissing: "no_embedding_model"
    case .rerankModelMissing: "no_rerank_model"
    case .embeddingModelMismatch: "embedding_model_mismatch"
    case .invalidEmbedding: "invalid_embedding"
    case .dataDirectoryInUse: "data_directory_in_use"
    case .dataDirectoryUnusable: "data_directory_unusable"
    case .databaseForeign: "database_foreign"
    case .databaseTooNew: "database_too_new"
    case .databaseCorrupt: "database_corrupt"
    case .databaseLocked: "database_locked"
    case .databaseReadOnly: "database_read_only"
    case .diskFull: "disk_full"
    case .storageFailure: "storage_failure"
    case .copyRefused: "copy_refused"
    }
  }

  /// The request field at fault, where there is one.
  package var field: String? {
    switch self {
    case .invalidRequest(let field, _), .unsupported(let field, _): field
    case .collectionNotFound: "collection"
    case .documentNotFound: "id"
    case .rerankModelMissing: "rerank"
    default: nil
    }
  }
}

extension RetrievalError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .collectionNotFound(let name):
      "there is no collection \"\(name)\"; create it with PUT /collections/\(name)"
    case .documentNotFound(let collection, let id):
      "there is no document \"\(id)\" in collection \"\(collection)\""
    case .invalidRequest(let field, let message), .unsupported(let field, let message):
      "\(field): \(message)"
    case .conflict(let message): message
    default: modelDescription ?? storageDescription
    }
  }

  private var modelDescription: String? {
    switch self {
    case .embeddingModelMissing:
      """
      no embedding model is loaded, so texts can't be embedded; start the server with \
      --embedding-model DIR, or search with mode "sparse"
      """
    case .rerankModelMissing:
      """
      no reranking model is loaded; start the server with --rerank-model DIR, or search without \
      rerank
      """
    case .embeddingModelMismatch(let collection, let stored, let loaded):
      """
      collection "\(collection)" holds vectors of \(stored.summary), but the server runs \
      \(loaded.summary), whose vectors can't be compared with them; start the server with \
      --embedding-model \(stored.name), or embed its documents anew (martlet reindex --collection \
      \(collection), or POST /collections/\(collection)/reindex), or search with mode "sparse"
      """
    case .invalidEmbedding(let message):
      "the embedding model gave an unusable vector: \(message)"
    default: nil
    }
  }

  private var storageDescription: String {
    switch self {
    case .dataDirectoryInUse(let path, let holder):
      """
      the data directory \(path) is in use by \(holder); talk to that server (--server URL) or \
      choose another directory with --data
      """
    case .dataDirectoryUnusable(let path, let message):
      "the data directory \(path) can't be used: \(message)"
    case .databaseForeign(let path):
      "\(path) is an SQLite database of another program; choose another directory with --data"
    case .databaseTooNew(let path, let version, let supported):
      """
      \(path) has schema version \(version), written by a newer martlet; this one knows \
      \(supported): upgrade martlet, or choose another directory with --data
      """
    case .databaseCorrupt(let path, let message):
      """
      \(path) is damaged (\(message)); restore it from a backup, or move it away and ingest the \
      documents again
      """
    case .databaseLocked(let path):
      "\(path) is locked by another program; close what has it open and try again"
    case .databaseReadOnly(let path):
      "\(path) can't be written; check its permissions and that its disk is not mounted read-only"
    case .diskFull(let path):
      "the disk that holds \(path) is full, nothing was stored; free some space and try again"
    case .storageFailure(let path, let message):
      "\(path) could not be read or written: \(message)"
    case .copyRefused(let path, let message):
      "\(path): \(message)"
    default: code
    }
  }
}

extension EmbedderIdentity {
  fileprivate var summary: String {
    "model \"\(name)\" (\(dimension) dimensions, weights \(weightHash.prefix(12)))"
  }
}
