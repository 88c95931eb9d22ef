// The models of tokenizer.json.

enum Model: Sendable {
  case wordLevel(WordLevel)
  case wordPiece(WordPiece)
  case bytePair(BytePairEncoding)
  case unigram(Unigram)

  init(_ node: ConfigurationNode, offersBytes: Bool) throws(TokenizerError) {
    // Old files leave the type out; only BPE has merges, only Unigram a list of tokens.
    let type = try node.optional("type")
    let implied =
      node.node["merges"] != nil
      ? "BPE" : node.node["vocab"]?.kind == .array ? "Unigram" : "WordPiece"
    switch try type?.string() ?? implied {
    case "WordLevel": self = .wordLevel(try WordLevel(node))
    case "WordPiece": self = .wordPiece(try WordPiece(node))
    case "BPE": self = .bytePair(try BytePairEncoding(node, offersBytes: offersBytes))
    case "Unigram": self = .unigram(try Unigram(node))
    default: throw try node.required("type").unsupported
    }
  }

  var vocabulary: Vocabulary {
    switch self {
    case .wordLevel(let model): model.vocabulary
    case .wordPiece(let model): model.vocabulary
    case .bytePair(let model): model.vocabulary
    case .unigram(let model): model.vocabulary
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
        case .wordLevel(let model): model.encode(text.bytes, piece, into: &ids)
        case .wordPiece(let model):
          model.encode(text.bytes, piece, into: &ids, candidate: &scratch.candidate)
        case .bytePair(let model):
          model.encode(text.bytes, piece, into: &ids, merger: &scratch.merger)
        case .unigram(let model):
          model.encode(text.bytes, piece, into: &ids, lattice: &scratch.lattice)
        }
      }
    }
  }
}
