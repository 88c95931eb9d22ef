// A long piece of work that a client doesn't wait for: what it is, how far it is, how it ended.
// Running ones are kept by whoever runs them; the database keeps that they began and how they ended,
// so that a client can ask after a restart.

package import JSON

package struct Job: Sendable, Hashable {
  package enum Kind: String, Sendable { case ingest, reindex }

  package enum State: String, Sendable {
    case running, succeeded, failed
    /// By a client.
    case cancelled
    /// By the end of the server. Asked for again, the work goes on where it was.
    case interrupted
  }

  package var id: String
  package var kind: Kind
  package var collection: String
  package var state = State.running
  /// Documents done, of `total`.
  package var done = 0
  package var total: Int
  /// What the request would have been answered, once it has succeeded.
  package var result: JSONValue?
  /// `{"message","type","param","code"}`, once it has failed.
  package var error: JSONValue?
  /// Unix seconds.
  package var createdAt: Int
  package var updatedAt: Int

  package init(_ kind: Kind, collection: String, total: Int) {
    id = String(UInt64.random(in: (1 << 60)...UInt64.max), radix: 16)
    self.kind = kind
    self.collection = collection
    self.total = total
    createdAt = DocumentStore.now()
    updatedAt = createdAt
  }

  package var json: JSONValue {
    [
      "id": .string(id), "kind": .string(kind.rawValue), "collection": .string(collection),
      "state": .string(state.rawValue), "done": .integer(Int64(done)),
      "total": .integer(Int64(total)), "result": result ?? .null, "error": error ?? .null,
      "created": .integer(Int64(createdAt)), "updated": .integer(Int64(updatedAt)),
    ]
  }
}
