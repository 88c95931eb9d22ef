// A tokenizer.json in memory: its parts in the order that text passes through them. Settings for
// truncation and padding are read past, because the caller decides about lengths.

import JSON

final class TokenizerDefinition: Sendable {
  let addedTokens: AddedTokens
  let decodingPlan: DecodingPlan
  let vocabulary: Vocabulary
  private let normalizer: Normalizer?
  private let preTokenizer: PreTokenizer
  private let model: Model
  private let postProcessor: PostProcessor
  private let scratchPool = ScratchPool()

  init(json: [UInt8], file: String) throws(TokenizerError) {
    let root = try Self.root(json, file)
    try root.allow([
      "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
      "post_processor", "decoder", "model",
    ])
    if let version = try root.optional("version"), try version.string() != "1.0" {
      throw version.unsupported
    }
    normalizer = try root.optional("normalizer").map(orThrow: Normalizer.init)
    var preTokenizer = try root.optional("pre_tokenizer").map(orThrow: PreTokenizer.init)
    let model = try Model(
      root.required("model"), offersBytes: preTokenizer?.yieldsBytes ?? false)
    if !model.takesBytes { preTokenizer?.mapBytes() }
    let addedTokens = try AddedTokens(
      root.optional("added_tokens"), vocabulary: model.vocabulary, normalizer: normalizer)
    let knows = { (id: Int32) in
      model.vocabulary.token(id) != nil || addedTokens.token(id) != nil
    }
    if let node = try root.optional("post_processor") {
      postProcessor = try PostProcessor(node, knows: knows)
    } else {
      postProcessor = PostProcessor()
    }
    decodingPlan = try DecodingPlan(root.optional("decoder"))
    self.preTokenizer = (preTokenizer ?? PreTokenizer()).adapted(to: model)
    self.model = model
    self.addedTokens = addedTokens
    vocabulary = model.vocabulary
  }

  /// For files of another form.
  init(
    addedTokens: AddedTokens, normalizer: Normalizer, preTokenizer: PreTokenizer, model: Model,
    postProcessor: PostProcessor, decodingPlan: DecodingPlan
  ) {
    self.addedTokens = addedTokens
    self.normalizer = normalizer
    self.preTokenizer = preTokenizer.adapted(to: model)
    self.model = model
    self.postProcessor = postProcessor
    self.decodingPlan = decodingPlan
    vocabulary = model.vocabulary
  }

  /// Another one with all text in lower case first, but for added tokens.
  init(lowercasing other: TokenizerDefinition) {
    normalizer = .sequence([.lowercase] + [other.normalizer].compactMap { $0 })
    addedTokens = other.addedTokens
    preTokenizer = other.preTokenizer
    model = other.model
    postProcessor = other.postProcessor
    decodingPlan = other.decodingPlan
    vocabulary = other.vocabulary
  }

  private static func root(
    _ json: [UInt8], _ file: String
  ) throws(TokenizerError) -> ConfigurationNode {
    do {
      return ConfigurationNode(node: try JSONDocument(parsing: json).root, file: file, path: "")
    } catch {
      throw .malformed(file: file, key: "", reason: "not valid JSON: \(error)")
    }
  }

  // MARK: - Encoding

  /// The ids of a text on its own, added tokens taken out first.
  func encode(_ text: [UInt8], parsingSpecial: Bool) -> [Int32] {
    withScratch { ids, scratch in
      for span in addedTokens.verbatimSpans(in: text, parsingSpecial: parsingSpecial) {
        if let id = span.id {
          ids.append(id)
        } else {
          let whole = span.range == text.indices
          var stretch = NormalizedText(
            bytes: whole ? text : Array(text[span.range]), startsInput: span.range.lowerBound == 0)
          normalizer?.apply(to: &stretch)
          encode(stretch, parsingSpecial: parsingSpecial, into: &ids, &scratch)
        }
      }
    }
  }

  private func encode(
    _ text: NormalizedText, parsingSpecial: Bool, into ids: inout [Int32],
    _ scratch: inout EncodingScratch
  ) {
    for span in addedTokens.normalizedSpans(in: text.bytes, parsingSpecial: parsingSpecial) {
      if let id = span.id {
        ids.append(id)
      } else if span.range == text.bytes.indices {
        encodeWords(text, into: &ids, &scratch)
      } else {
        let startsInput = text.startsInput && span.range.lowerBound == 0
        encodeWords(
          NormalizedText(bytes: Array(text.bytes[span.range]), startsInput: startsInput),
          into: &ids, &scratch)
      }
    }
  }

  /// The ids of a text in which no added token is looked for.
  func encodePlain(_ text: [UInt8]) -> [Int32] {
    withScratch { ids, scratch in
      var stretch = NormalizedText(bytes: text, startsInput: true)
      normalizer?.apply(to: &stretch)
      encodeWords(stretch, into: &ids, &scratch)
    }
  }

  private func encodeWords(
    _ text: NormalizedText, into ids: inout [Int32], _ scratch: inout EncodingScratch
  ) {
    var words = PreTokenizedText(text)
    preTokenizer.apply(to: &words)
    model.encode(words, into: &ids, &scratch)
  }

  private func withScratch(
    _ body: (inout [Int32], inout EncodingScratch) -> Void
  ) -> [Int32] {
    var ids: [Int32] = []
    var scratch = scratchPool.take()
    body(&ids, &scratch)
    scratchPool.give(scratch)
    return ids
  }

  func addSpecialTokens(to ids: [Int32], _ addSpecialTokens: Bool) -> [Int32] {
    postProcessor.apply(to: ids, addSpecialTokens: addSpecialTokens)
  }

  func pair(_ first: [Int32], _ second: [Int32], maximumTokens: Int) -> TokenPair {
    postProcessor.apply(to: first, and: second, maximumTokens: maximumTokens)
  }

  // MARK: - Tokens

  /// What decoders are given for an id: for an added token its normalised form.
  func decodedToken(_ id: Int32) -> [UInt8]? {
    addedTokens.token(id)?.pattern ?? vocabulary.token(id)
  }
}
