// What retrieval needs of an embedding model: its identity, vectors for texts, and token counts so
// that chunks end before the model's limit. Relies on whoever composes the server to adapt the
// model that it loaded; knows nothing of tokenizers or weights.

import Documents
package import JSON
package import SearchIndex

/// Which model made a vector. Two embedders of equal identity are interchangeable.
package struct EmbedderIdentity: Sendable, Hashable {
  package var name: String
  /// Values per vector.
  package var dimension: Int
  /// Tokens of one text that the model sees, special tokens included; the rest is cut off.
  package var maximumTokens: Int
  /// SHA-256 of the weights, hexadecimal.
  package var weightHash: String

  package init(name: String, dimension: Int, maximumTokens: Int, weightHash: String) {
    self.name = name
    self.dimension = dimension
    self.maximumTokens = maximumTokens
    self.weightHash = weightHash
  }

  /// Vectors of both can be compared. The limit on tokens doesn't enter: it changes what a vector
  /// is made from, not what it means.
  func isCompatible(with other: EmbedderIdentity) -> Bool {
    name == other.name && dimension == other.dimension && weightHash == other.weightHash
  }
}

/// One text as the model sees it.
package struct EmbeddedText: Sendable {
  package var vector: [Float]
  package var tokenCount: Int
  /// The model did not see the end of the text.
  package var truncated: Bool

  package init(vector: [Float], tokenCount: Int, truncated: Bool) {
    self.vector = vector
    self.tokenCount = tokenCount
    self.truncated = truncated
  }
}

/// What is put in front of texts before they are embedded, for models that were trained so.
package struct EmbeddingPrompts: Sendable, Hashable {
  package var query: String
  package var passage: String

  package init(query: String = "", passage: String = "") {
    self.query = query
    self.passage = passage
  }

  package var json: JSONValue { ["query": .string(query), "passage": .string(passage)] }
}

package protocol Embedder: Sendable {
  var identity: EmbedderIdentity { get }
  /// What the model's author puts in front of texts.
  var prompts: EmbeddingPrompts { get }
  /// How the model's vectors are meant to be compared; nil where its author doesn't say.
  var metric: Metric? { get }

  /// One result per text, in order; `prompt` is put in front of each.
  func embed(_ texts: [String], prompt: String) async throws -> [EmbeddedText]

  /// Tokens of the whole text, special tokens included, as compared with `maximumTokens`.
  func tokenCount(_ text: String) -> Int
}

/// A model whose author says nothing of the kind.
extension Embedder {
  package var prompts: EmbeddingPrompts { EmbeddingPrompts() }
  package var metric: Metric? { nil }
}

extension TokenLimit {
  /// - Parameter prompt: goes in front of every chunk
  init(_ embedder: any Embedder, prompt: String = "") {
    self.init(maximum: embedder.identity.maximumTokens) { embedder.tokenCount(prompt + $0) }
  }
}
