// WordLevel: a word is a token, or the unknown token.

struct WordLevel: Sendable {
  let vocabulary: Vocabulary
  private let unknownID: Int32

  init(_ node: ConfigurationNode) throws(TokenizerError) {
    try node.allow(["type", "vocab", "unk_token"])
    vocabulary = try Vocabulary(node.required("vocab"))
    let unknown = try node.optional("unk_token")?.string() ?? "<unk>"
    guard let id = vocabulary.id(of: unknown) else {
      throw node.malformed("the unknown token \"\(unknown)\" is not in the vocabulary")
    }
    unknownID = id
  }

  /// Appends the id of one word, `text[range]`.
  func encode(_ text: [UInt8], _ range: Range<Int>, into ids: inout [Int32]) {
    ids.append(vocabulary.id(of: text, in: range) ?? unknownID)
  }
}
