// Whether two tokenizers give ids the same meaning: what models must agree on to work on one text.

extension Tokenizer {
  /// The lowest id that stands for another token in `other`, or for one in only one of the two; nil
  /// where all tokens are the same.
  package func firstDifference(from other: Tokenizer) -> Int32? {
    (0..<max(idBound, other.idBound)).first { token($0) != other.token($0) }
  }

  /// Above all ids, if the vocabulary's own have no gaps.
  private var idBound: Int32 {
    let added = definition.addedTokens.tokens.map(\.id).max() ?? -1
    return max(Int32(count), added + 1)
  }
}
