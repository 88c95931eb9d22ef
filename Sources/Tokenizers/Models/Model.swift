// The models of tokenizer.json. WordLevel and Unigram are refused by name.

enum Model: Sendable {
  case wordPiece(WordPiece)
  case bytePair(BytePairEncoding)

  init(_ node: ConfigurationNode, offersBytes: Bool) throws(TokenizerError) {
    // Old files leave the type out; only BPE has merges.
    let type = try node.optional("type")
    switch try type?.string() ?? (node.node["merges"] == nil ? "WordPiece" : "BPE") {
    case "WordPiece": self = .wordPiece(try WordPiece(node))
    case "BPE": self = .bytePair(try BytePairEncoding(node, offersBytes: offersBytes))
    default: throw try node.required("type").unsupported
    }
  }

  var vocabulary: Vocabulary {
    switch self {
    case .wordPiece(let model): model.vocabulary
    case .bytePair(let model): model.vocabulary
    }
  }

  /// Whether words are raw bytes where the pre-tokenizer is a byte-level one.
  var takesBytes: Bool {
    if case .bytePair(let model) = self { return model.takesBytes }
    return false
  }

  /// Appends the ids of every piece.
  func encode(
    _ text: PreTokenizedText, into ids: inout [Int32], _ scratch: inout EncodingScratch
  ) {
    for piece in text.pieces {
      scratch.cache.encode(text.bytes, piece, into: &ids) { ids in
        switch self {
        case .wordPiece(let model):
          model.encode(text.bytes, piece, into: &ids, candidate: &scratch.candidate)
        case .bytePair(let model):
          model.encode(text.bytes, piece, into: &ids, merger: &scratch.merger)
        }
      }
    }
  }
}
