// Tokenizers whose vocabulary lies in plain files: vocab.json and merges.txt of byte-level BPE, vocab.txt
// of BERT. They are translated to what tokenizer.json says for the same tokenizer; the class that
// tokenizer_config.json names decides how. Other classes are refused.

import JSON

enum VocabularyDefinition {
  // MARK: - Byte-level BPE

  static func readBytePairs(
    directory: String, settings: TokenizerSettings
  ) throws(TokenizerError) -> TokenizerDefinition {
    let file = "\(directory)/vocab.json"
    guard let vocabulary = try readConfiguration(file)?.node.value else {
      throw .unreadable(file: file, reason: "it is missing")
    }
    let style = try ByteLevelStyle(settings)
    var root: JSONObject = [
      "pre_tokenizer": style.preTokenizer, "decoder": byteLevel(false),
      "model": [
        "type": "BPE", "vocab": vocabulary,
        "merges": .array(try merges("\(directory)/merges.txt").map(JSONValue.string)),
      ],
    ]
    root["normalizer"] = style.normalizer
    root["added_tokens"] = try settings.addedTokens(
      besides: specialTokens(settings.names.values.sorted(), in: vocabulary))
    if style.enclosesText {
      root["post_processor"] = try enclosing(
        settings.names["cls_token"] ?? "<s>", settings.names["sep_token"] ?? "</s>",
        in: vocabulary, file: file)
    }
    return try TokenizerDefinition(json: JSONValue.object(root).serialized(), file: file)
  }

  private struct ByteLevelStyle {
    var normalizer: JSONValue?
    var preTokenizer: JSONValue
    var enclosesText = false

    init(_ settings: TokenizerSettings) throws(TokenizerError) {
      let prefixes = try settings.bool("add_prefix_space") ?? false
      preTokenizer = VocabularyDefinition.byteLevel(prefixes)
      guard let tokenizerClass = try settings.tokenizerClass else { return }
      switch try tokenizerClass.string() {
      case "GPT2Tokenizer", "GPT2TokenizerFast", "GPTNeoXTokenizer", "GPTNeoXTokenizerFast": break
      case "RobertaTokenizer", "RobertaTokenizerFast": enclosesText = true
      case "Qwen2Tokenizer", "Qwen2TokenizerFast":
        normalizer = ["type": "NFC"]
        preTokenizer = [
          "type": "Sequence",
          "pretokenizers": [
            [
              "type": "Split", "behavior": "Isolated", "invert": false,
              "pattern": ["Regex": .string(WordPattern.cl100kExpression(digits: #"\p{N}"#))],
            ],
            ["type": "ByteLevel", "add_prefix_space": .bool(prefixes), "use_regex": false],
          ],
        ]
      default: throw tokenizerClass.unsupported
      }
    }
  }

  private static func byteLevel(_ prefixes: Bool) -> JSONValue {
    ["type": "ByteLevel", "add_prefix_space": .bool(prefixes)]
  }

  private static func merges(_ file: String) throws(TokenizerError) -> [String] {
    lines(try readFile(file)).filter { !$0.isEmpty && !$0.hasPrefix("#version") }
  }

  // MARK: - WordPiece

  static func readWordPieces(
    file: String, settings: TokenizerSettings
  ) throws(TokenizerError) -> TokenizerDefinition {
    if let tokenizerClass = try settings.tokenizerClass {
      switch try tokenizerClass.string() {
      case "BertTokenizer", "BertTokenizerFast", "DistilBertTokenizer", "DistilBertTokenizerFast",
        "ElectraTokenizer", "ElectraTokenizerFast":
        break
      default: throw tokenizerClass.unsupported
      }
    }
    var tokens = lines(try readFile(file))
    if tokens.last == "" { tokens.removeLast() }
    var ids = JSONObject()
    for (id, token) in tokens.enumerated() { ids[token] = .integer(Int64(id)) }
    guard ids.count == tokens.count else {
      throw .malformed(file: file, key: "", reason: "a token occurs twice")
    }
    let vocabulary = JSONValue.object(ids)
    func name(_ key: String, _ usual: String) -> String { settings.names[key] ?? usual }
    let special = [
      name("unk_token", "[UNK]"), name("sep_token", "[SEP]"), name("pad_token", "[PAD]"),
      name("cls_token", "[CLS]"), name("mask_token", "[MASK]"),
    ]
    let accents = try settings.bool("strip_accents")
    let root: JSONValue = [
      "added_tokens": try settings.addedTokens(besides: specialTokens(special, in: vocabulary)),
      "normalizer": [
        "type": "BertNormalizer", "clean_text": true,
        "handle_chinese_chars": .bool(try settings.bool("tokenize_chinese_chars") ?? true),
        "strip_accents": accents.map(JSONValue.bool) ?? .null,
        "lowercase": .bool(try settings.bool("do_lower_case") ?? true),
      ],
      "pre_tokenizer": ["type": "BertPreTokenizer"],
      "decoder": ["type": "WordPiece", "prefix": "##", "cleanup": true],
      "post_processor": try enclosing(special[3], special[1], in: vocabulary, file: file),
      "model": ["type": "WordPiece", "unk_token": .string(special[0]), "vocab": vocabulary],
    ]
    return try TokenizerDefinition(json: root.serialized(), file: file)
  }

  // MARK: - Parts of both

  private static func lines(_ text: [UInt8]) -> [String] {
    text.split(separator: 0x0A, omittingEmptySubsequences: false).map { line in
      String(decoding: line.last == 0x0D ? line.dropLast() : line, as: UTF8.self)
    }
  }

  private static func specialTokens(
    _ contents: [String], in vocabulary: JSONValue
  ) -> [TokenizerSettings.Token] {
    contents.compactMap { content in
      vocabulary[content]?.int.map { .init(content: content, id: $0, isSpecial: true) }
    }
  }

  private static func enclosing(
    _ start: String, _ end: String, in vocabulary: JSONValue, file: String
  ) throws(TokenizerError) -> JSONValue {
    func pair(_ token: String) throws(TokenizerError) -> JSONValue {
      guard let id = vocabulary[token] else {
        throw .malformed(file: file, key: "", reason: "the token \"\(token)\" is missing")
      }
      return [.string(token), id]
    }
    return ["type": "BertProcessing", "cls": try pair(start), "sep": try pair(end)]
  }
}
