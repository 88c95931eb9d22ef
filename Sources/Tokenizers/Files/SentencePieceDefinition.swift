// A tokenizer from SentencePiece's own file. Ids are those of SentencePiece; control pieces are special
// tokens, user-defined ones added tokens. What stands around a text comes from tokenizer_config.json,
// where it says nothing from the tokenizer's class. Unused pieces and classes that renumber the pieces
// are refused.

import JSON

enum SentencePieceDefinition {
  /// Classes of transformers whose ids are those of the file, and what they put around a text.
  private static func surroundings(
    of tokenizerClass: ConfigurationNode?
  ) throws(TokenizerError) -> (beginning: Bool, end: Bool) {
    guard let tokenizerClass else { return (true, false) }
    var name = try tokenizerClass.string()
    if name.hasSuffix("Fast") { name.removeLast(4) }
    switch name {
    case "LlamaTokenizer", "GemmaTokenizer", "CodeLlamaTokenizer", "BaichuanTokenizer",
      "YiTokenizer", "InternLMTokenizer", "InternLM2Tokenizer", "PreTrainedTokenizer":
      return (true, false)
    case "T5Tokenizer": return (false, true)
    default: throw tokenizerClass.unsupported
    }
  }

  /// The tokenizer, and `bos_token` and so on as far as the file has them.
  static func read(
    file: String, settings: TokenizerSettings
  ) throws(TokenizerError) -> (definition: TokenizerDefinition, specialTokens: [String: String]) {
    let model = try SentencePieceModel(readFile(file), file: file)
    let tokens = try vocabularyTokens(model, file: file)
    let core = self.model(model)
    let around = try surroundings(of: settings.tokenizerClass)
    var parts: [PostProcessor.Part] = [.text]
    if try settings.bool("add_bos_token") ?? around.beginning, knows(model, model.beginningID) {
      parts.insert(.special([Int32(model.beginningID)]), at: 0)
    }
    if try settings.bool("add_eos_token") ?? around.end, knows(model, model.endID) {
      parts.append(.special([Int32(model.endID)]))
    }
    let added = try settings.addedTokens(besides: tokens)
    let definition = TokenizerDefinition(
      addedTokens: try AddedTokens(
        ConfigurationNode(added, file: file, path: "pieces"), vocabulary: core.vocabulary,
        normalizer: nil),
      normalizer: .sentencePiece(try SentencePieceNormalizer(model, file: file)),
      preTokenizer: PreTokenizer(), model: core, postProcessor: PostProcessor(parts),
      decodingPlan: DecodingPlan(
        removingBlanksAtStart: model.removesExtraBlanks ? .max : model.addsDummyPrefix ? 1 : 0))
    return (definition, names(model))
  }

  private static func names(_ model: SentencePieceModel) -> [String: String] {
    var names: [String: String] = [:]
    for (key, id) in [
      ("bos_token", model.beginningID), ("eos_token", model.endID), ("pad_token", model.paddingID),
    ] where knows(model, id) {
      names[key] = String(decoding: model.pieces[id].text, as: UTF8.self)
    }
    if let unknown = model.pieces.first(where: { $0.type == .unknown }) {
      names["unk_token"] = String(decoding: unknown.text, as: UTF8.self)
    }
    return names
  }

  private static func knows(_ model: SentencePieceModel, _ id: Int) -> Bool {
    model.pieces.indices.contains(id)
  }

  private static func vocabularyTokens(
    _ model: SentencePieceModel, file: String
  ) throws(TokenizerError) -> [TokenizerSettings.Token] {
    var tokens: [TokenizerSettings.Token] = []
    var seen: Set<[UInt8]> = []
    for (id, piece) in model.pieces.enumerated() {
      guard seen.insert(piece.text).inserted else {
        throw .malformed(
          file: file, key: "pieces[\(id)]", reason: "\(quoted(piece.text)) occurs twice")
      }
      switch piece.type {
      case .unused:
        throw .unsupported(file: file, key: "pieces[\(id)].type", value: "UNUSED")
      case .unknown, .control, .userDefined:
        tokens.append(
          TokenizerSettings.Token(
            content: String(decoding: piece.text, as: UTF8.self), id: id,
            isSpecial: piece.type != .userDefined, isNormalized: piece.type == .userDefined))
      case .normal, .byte: break
      }
    }
    return tokens
  }

  private static func model(_ model: SentencePieceModel) -> Model {
    let matched = model.pieces.map { $0.type == .normal || $0.type == .userDefined }
    let unknown = model.pieces.firstIndex { $0.type == .unknown }
      .map { Int32(truncatingIfNeeded: $0) }
    if model.kind == .unigram {
      return .unigram(
        Unigram(
          tokens: model.pieces.map { ($0.text, Double($0.score)) }, matched: matched,
          unknownID: unknown, fallsBack: model.fallsBackToBytes, isSinglePrecision: true))
    }
    let vocabulary = Vocabulary(tokens: model.pieces.map(\.text))
    let ranks = self.ranks(model.pieces.map(\.score))
    return .bytePair(
      BytePairEncoding(
        vocabulary: vocabulary,
        merges: MergeTable(
          splittingAll: vocabulary,
          ranks: model.pieces.indices.map { matched[$0] ? ranks[$0] : nil }),
        unknownID: unknown, fallsBack: model.fallsBackToBytes))
  }

  /// The place of each score among all, the greatest first; equal ones share theirs.
  private static func ranks(_ scores: [Float]) -> [UInt32] {
    let places = Set(scores).sorted(by: >).enumerated().map { ($1, UInt32($0)) }
    let rankOfScore = Dictionary(uniqueKeysWithValues: places)
    return scores.map { rankOfScore[$0] ?? 0 }
  }
}
