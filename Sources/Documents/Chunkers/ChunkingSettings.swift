// How documents are cut, as a collection's settings say it.

package import JSON

package enum ChunkingStrategy: String, Sendable, CaseIterable {
  case characters, recursive, sentences, markdown, code, tokens, semantic, none
}

/// Sizes count Unicode scalars, for `tokens` those of the embedding model.
package struct ChunkingSettings: Sendable, Hashable {
  package var strategy: ChunkingStrategy = .sentences
  package var size = 800
  package var overlap = 100
  /// Only for `characters`.
  package var separator = "\n\n"
  /// Only for `semantic`: the percentile of the distances between neighbouring sentences above which
  /// a chunk ends.
  package var threshold = 95

  package init() {}

  package var json: JSONValue {
    var object: JSONObject = [
      "strategy": .string(strategy.rawValue), "size": .integer(Int64(size)),
      "overlap": .integer(Int64(overlap)),
    ]
    if strategy == .characters { object["separator"] = .string(separator) }
    if strategy == .semantic { object["threshold"] = .integer(Int64(threshold)) }
    return .object(object)
  }
}

extension ChunkingSettings {
  /// - Parameter format: what the document was made from, such as its programming language
  package func chunker(limit: TokenLimit?, format: String? = nil) -> any Chunker {
    switch strategy {
    case .characters: CharacterChunker(size: size, overlap: overlap, separator: separator)
    case .recursive: RecursiveChunker(size: size, overlap: overlap, limit: limit)
    case .sentences: SentenceChunker(size: size, overlap: overlap, limit: limit)
    case .markdown: MarkdownChunker(size: size, overlap: overlap, limit: limit)
    case .code:
      RecursiveChunker(
        size: size, overlap: overlap, limit: limit,
        separators: CodeSeparators.of(language: format))
    case .tokens: TokenChunker(size: size, overlap: overlap, limit: limit)
    case .semantic: SemanticChunker(size: size, percentile: threshold, limit: limit)
    case .none: WholeDocumentChunker()
    }
  }
}
