// Qwen 1's qwen.tiktoken: a line per token, its bytes in base64 and its rank, which is its id. The special
// tokens follow the last rank, and words are cut as Qwen2 cuts them (QwenLM/Qwen, tokenization_qwen.py).

import FoundationEssentials

enum TiktokenDefinition {
  private static let specialTokens =
    ["<|endoftext|>", "<|im_start|>", "<|im_end|>"] + (0..<205).map { "<|extra_\($0)|>" }

  static let names = ["eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"]

  static func read(
    file: String, settings: TokenizerSettings
  ) throws(TokenizerError) -> TokenizerDefinition {
    let tokens = try self.tokens(readFile(file), file: file)
    let vocabulary = Vocabulary(tokens: tokens.map { $0.flatMap(ByteAlphabet.character) })
    let words = Vocabulary(tokens: tokens)
    guard words.count == tokens.count else {
      throw .malformed(file: file, key: "", reason: "a token occurs twice")
    }
    let model = Model.bytePair(
      BytePairEncoding(
        vocabulary: vocabulary, words: words,
        merges: MergeTable(
          splittingAll: words, ranks: tokens.indices.map { UInt32(truncatingIfNeeded: $0) })))
    let special = specialTokens.enumerated().map { index, content in
      TokenizerSettings.Token(content: content, id: tokens.count + index, isSpecial: true)
    }
    let added = try settings.addedTokens(besides: special)
    return TokenizerDefinition(
      addedTokens: try AddedTokens(
        ConfigurationNode(added, file: file, path: "added_tokens"), vocabulary: vocabulary,
        normalizer: nil),
      normalizer: .unicode(.nfc), preTokenizer: PreTokenizer(bytesOf: .cl100k(maximumDigits: 1)),
      model: model, postProcessor: PostProcessor(), decodingPlan: .byteLevel)
  }

  /// The tokens' bytes in the order of their ranks, which leave out none.
  private static func tokens(_ text: [UInt8], file: String) throws(TokenizerError) -> [[UInt8]] {
    var tokens: [[UInt8]] = []
    for (number, line) in text.split(separator: 0x0A).enumerated() {
      let parts = line.split(separator: 0x20)
      guard parts.count == 2, let token = Data(base64Encoded: Data(parts[0])), !token.isEmpty,
        let rank = Int(String(decoding: parts[1], as: UTF8.self)), rank == tokens.count,
        rank < Vocabulary.maximumID
      else {
        throw .malformed(
          file: file, key: "line \(number + 1)", reason: "not a token and the rank \(tokens.count)")
      }
      tokens.append([UInt8](token))
    }
    return tokens
  }
}
