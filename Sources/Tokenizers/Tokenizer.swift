// Text to token ids and back, exactly as Hugging Face `tokenizers` does it for the same tokenizer.json.
// Only that file decides about ids; tokenizer_config.json and special_tokens_map.json merely name the
// tokens for the start and the end of a sequence and the like. Where there is no such file, an older form
// of it is read (Files). Encoding and decoding never fail.

/// Two texts as one sequence.
package struct TokenPair: Sendable, Hashable {
  package var ids: [Int32] = []
  /// Which text a token belongs to, as the model counts them.
  package var types: [UInt8] = []
  package var isTruncated = false
}

package struct Tokenizer: Sendable {
  let definition: TokenizerDefinition
  /// `bos_token`, `eos_token`, `unk_token`, `pad_token`, `cls_token`, `sep_token`, `mask_token`, as far
  /// as the configuration names them.
  package let specialTokens: [String: String]

  /// Reads tokenizer.json, else tokenizer.model, spiece.model, qwen.tiktoken, vocab.json with merges.txt,
  /// or vocab.txt; and, where they are there, tokenizer_config.json and special_tokens_map.json.
  package init(directory: String) throws(TokenizerError) {
    (definition, specialTokens) = try TokenizerFiles.read(directory: directory)
  }

  /// `file` is for error messages only.
  package init(
    json: [UInt8], specialTokens: [String: String] = [:], file: String = "tokenizer.json"
  ) throws(TokenizerError) {
    definition = try TokenizerDefinition(json: json, file: file)
    self.specialTokens = specialTokens
  }

  private init(_ definition: TokenizerDefinition, _ specialTokens: [String: String]) {
    self.definition = definition
    self.specialTokens = specialTokens
  }

  /// The same tokenizer for text in lower case.
  package func lowercasing() -> Tokenizer {
    Tokenizer(TokenizerDefinition(lowercasing: definition), specialTokens)
  }

  // MARK: - Encoding

  /// `addSpecialTokens` puts the post-processor's tokens around the text; without
  /// `parseSpecialTokens` the text of special tokens is text like any other.
  package func encode(
    _ text: String, addSpecialTokens: Bool, parseSpecialTokens: Bool = true
  ) -> [Int32] {
    let ids = definition.encode(Array(text.utf8), parsingSpecial: parseSpecialTokens)
    return definition.addSpecialTokens(to: ids, addSpecialTokens)
  }

  /// Two encoded texts without special tokens as one sequence with them, cut to `maximumTokens` from
  /// the end of the longer one.
  package func pair(_ first: [Int32], _ second: [Int32], maximumTokens: Int) -> TokenPair {
    definition.pair(first, second, maximumTokens: maximumTokens)
  }

  /// The ids of a text in which no added token is looked for, special or not.
  func encodeIgnoringAddedTokens(_ text: String) -> [Int32] {
    definition.encodePlain(Array(text.utf8))
  }

  // MARK: - Decoding

  package func decode(_ ids: [Int32], skipSpecialTokens: Bool = true) -> String {
    var decoder = streamingDecoder(skipSpecialTokens: skipSpecialTokens)
    var text = ""
    for id in ids { text += decoder.append(id) }
    return text + decoder.finish()
  }

  package func streamingDecoder(skipSpecialTokens: Bool = true) -> StreamingDecoder {
    StreamingDecoder(definition, skipsSpecialTokens: skipSpecialTokens)
  }

  // MARK: - Tokens

  /// How many tokens there are, added ones included; ids may go higher where they have gaps.
  package var count: Int {
    definition.vocabulary.count
      + definition.addedTokens.tokens.count { definition.vocabulary.id(of: $0.content) == nil }
  }

  /// The token as the vocabulary has it.
  package func token(_ id: Int32) -> String? {
    definition.addedTokens.token(id)?.content
      ?? definition.vocabulary.token(id).map { String(decoding: $0, as: UTF8.self) }
  }

  package func id(of token: String) -> Int32? {
    definition.addedTokens.id(of: token) ?? definition.vocabulary.id(of: token)
  }

  /// The bytes that a token stands for in the middle of a text: they need not be whole characters.
  /// Empty for an id without a token.
  package func bytes(of id: Int32) -> [UInt8] {
    if let added = definition.addedTokens.token(id) { return Array(added.content.utf8) }
    return definition.vocabulary.token(id).map(definition.decodingPlan.bytes) ?? []
  }

  /// The added tokens that are special.
  var specialTokenContents: [String] {
    definition.addedTokens.tokens.filter(\.isSpecial).map(\.content)
  }

  package var beginningOfSequence: Int32? { specialTokens["bos_token"].flatMap(id) }
  package var endOfSequence: Int32? { specialTokens["eos_token"].flatMap(id) }
}
