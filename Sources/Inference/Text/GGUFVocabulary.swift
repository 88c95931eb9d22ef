// A GGUF file's vocabulary in the terms of tokenizer.json. `tokenizer.ggml.model` is "llama" for
// SentencePiece's BPE, whose merges follow from the tokens' scores; "gpt2" for byte-level BPE, whose
// pre-tokenizer is told by name; "bert" for WordPiece, whose words begin with a visible blank.

import Checkpoints
import JSON
import Transformer

struct GGUFVocabulary {
  let tokens: [String]
  /// Their text is looked for before everything else.
  let addedTokens: [(id: Int, isSpecial: Bool)]
  private let metadata: GGUFMetadata
  private let model: String

  private static let prefix = "tokenizer.ggml."
  private static let blank = "\u{2581}"
  private static let unknownType: Int32 = 2
  private static let controlType: Int32 = 3
  private static let userType: Int32 = 4

  init(_ metadata: GGUFMetadata) throws(ModelError) {
    self.metadata = metadata
    let (modelKey, tokenKey, typeKey) = (
      Self.prefix + "model", Self.prefix + "tokens", Self.prefix + "token_type"
    )
    guard let model = try metadata.string(modelKey) else {
      throw metadata.refusal(modelKey, "it is missing")
    }
    guard let tokens = try metadata.strings(tokenKey), !tokens.isEmpty else {
      throw metadata.refusal(tokenKey, "it is missing")
    }
    let types = try metadata.integers(typeKey) ?? []
    guard types.isEmpty || types.count == tokens.count else {
      throw metadata.refusal(typeKey, "it has \(types.count) entries for \(tokens.count) tokens")
    }
    self.model = model
    self.tokens = tokens
    addedTokens = types.enumerated().compactMap { id, type in
      switch type {
      case Self.unknownType, Self.controlType: (id, true)
      case Self.userType: (id, false)
      default: nil
      }
    }
  }

  /// `bos_token` and the like.
  var specialTokens: [String: String] {
    let names = [
      "bos": "bos_token", "eos": "eos_token", "unknown": "unk_token", "padding": "pad_token",
      "cls": "cls_token", "seperator": "sep_token", "mask": "mask_token",
    ]
    var result: [String: String] = [:]
    for (key, name) in names {
      if let id = tokenID(key) { result[name] = tokens[id] }
    }
    return result
  }

  private func tokenID(_ name: String) -> Int? {
    guard case .integer(let id)? = metadata[Self.prefix + name + "_token_id"],
      tokens.indices.contains(id)
    else { return nil }
    return id
  }

  /// tokenizer.json. Its vocabulary is written by hand: the keys of a JSONObject are Strings, which are
  /// equal where Unicode calls them equivalent, and tokens of different bytes are not.
  func definition() throws(ModelError) -> [UInt8] {
    var root: JSONObject = ["version": "1.0"]
    root["added_tokens"] = .array(addedTokens.map(addedToken))
    var settings: JSONObject
    switch model {
    case "llama": settings = try addSentencePiece(to: &root)
    case "gpt2": settings = try addByteLevel(to: &root)
    case "bert": settings = addWordPiece(to: &root)
    default:
      throw .unsupportedOption(
        path: metadata.path, key: Self.prefix + "model", value: model,
        supported: ["bert", "gpt2", "llama"])
    }
    root["model"] = "vocabulary"
    settings["vocab"] = "vocabulary"
    return Self.replacing(
      "vocabulary", in: root,
      with: Self.replacing("vocabulary", in: settings, with: vocabularyText()))
  }

  /// An object's JSON text, whose last member is that string, with other text in the string's place.
  private static func replacing(
    _ placeholder: String, in object: JSONObject, with text: [UInt8]
  ) -> [UInt8] {
    JSONValue.object(object).serialized().dropLast(placeholder.utf8.count + 3) + text
      + [UInt8(ascii: "}")]
  }

  private func vocabularyText() -> [UInt8] {
    var text = [UInt8(ascii: "{")]
    for (id, token) in tokens.enumerated() {
      if id > 0 { text.append(UInt8(ascii: ",")) }
      text += JSONValue.string(model == "bert" ? wordPiece(token, id) : token).serialized()
      text += Array(":\(id)".utf8)
    }
    return text + [UInt8(ascii: "}")]
  }

  private func addedToken(_ token: (id: Int, isSpecial: Bool)) -> JSONValue {
    [
      "id": .integer(Int64(token.id)), "content": .string(tokens[token.id]),
      "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
      "special": .bool(token.isSpecial),
    ]
  }

  // SentencePiece ----------------------------------------------------------------------------------

  private func addSentencePiece(to root: inout JSONObject) throws(ModelError) -> JSONObject {
    let hasPrefix = try metadata.bool(Self.prefix + "add_space_prefix") ?? true
    let replace: JSONValue = [
      "type": "Replace", "pattern": ["String": " "], "content": .string(Self.blank),
    ]
    let prepend: JSONValue = ["type": "Prepend", "prepend": .string(Self.blank)]
    root["normalizer"] = [
      "type": "Sequence", "normalizers": .array(hasPrefix ? [prepend, replace] : [replace]),
    ]
    let restore: JSONValue = [
      "type": "Replace", "pattern": ["String": .string(Self.blank)], "content": " ",
    ]
    let strip: JSONValue = ["type": "Strip", "content": " ", "start": 1, "stop": 0]
    root["decoder"] = [
      "type": "Sequence",
      "decoders": .array(
        [restore, ["type": "ByteFallback"], ["type": "Fuse"]] + (hasPrefix ? [strip] : [])),
    ]
    root["post_processor"] = try template(addsStart: true)
    return [
      "type": "BPE", "unk_token": .string(specialTokens["unk_token"] ?? tokens[0]),
      "fuse_unk": true, "byte_fallback": true, "merges": try merges(),
    ]
  }

  /// Every way to put a token together from two others, best score first; equal ones as
  /// transformers orders them (convert_slow_tokenizer.py, `generate_merges`).
  private func merges() throws(ModelError) -> JSONValue {
    if let given = try metadata.strings(Self.prefix + "merges") {
      return .array(given.map(JSONValue.string))
    }
    let key = Self.prefix + "scores"
    guard let scores = try metadata.floats(key), scores.count == tokens.count else {
      throw metadata.refusal(key, "it must have one number per token")
    }
    // By bytes: Strings are equal where Unicode calls them equivalent.
    let ids = Dictionary(
      tokens.enumerated().map { (Array($1.utf8), $0) }, uniquingKeysWith: { $1 })
    var found: [(left: Substring, right: Substring, score: Float, lengths: (Int, Int))] = []
    for (id, token) in tokens.enumerated() {
      let scalars = token.unicodeScalars
      var splits: [(left: Substring, right: Substring, order: (Int, Int), lengths: (Int, Int))] = []
      for (offset, index) in scalars.indices.enumerated().dropFirst() {
        let (left, right) = (token[..<index], token[index...])
        guard let first = ids[Array(left.utf8)], let second = ids[Array(right.utf8)] else {
          continue
        }
        splits.append((left, right, (first, second), (offset, scalars.count - offset)))
      }
      splits.sort { $0.order > $1.order }
      found += splits.map { ($0.left, $0.right, scores[id], $0.lengths) }
    }
    let order = found.indices.sorted {
      let (a, b) = (found[$0], found[$1])
      if a.score != b.score { return a.score > b.score }
      return a.lengths == b.lengths ? $0 < $1 : a.lengths > b.lengths
    }
    return .array(
      order.map { [.string(String(found[$0].left)), .string(String(found[$0].right))] })
  }

  // Byte-level BPE ---------------------------------------------------------------------------------

  /// How text is cut into words, and what else follows from the same name.
  private struct PreTokenizer {
    /// Nil: GPT-2's own pattern.
    var pattern: String?
    var singleDigits = false
    var composes = false
    var ignoresMerges = false
    var addsStart = false

    private static let llama3 =
      #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"#
      + #" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

    static let known: [String: PreTokenizer] = [
      "default": PreTokenizer(), "gpt-2": PreTokenizer(),
      "llama-bpe": PreTokenizer(pattern: llama3, ignoresMerges: true, addsStart: true),
      "qwen2": PreTokenizer(
        pattern: llama3.replacing(#"\p{N}{1,3}"#, with: #"\p{N}"#), composes: true),
      "smollm": PreTokenizer(singleDigits: true),
    ]
  }

  private func addByteLevel(to root: inout JSONObject) throws(ModelError) -> JSONObject {
    let key = Self.prefix + "pre"
    let name = try metadata.string(key) ?? "default"
    guard let settings = PreTokenizer.known[name] else {
      throw .unsupportedOption(
        path: metadata.path, key: key, value: name, supported: PreTokenizer.known.keys.sorted())
    }
    guard let merges = try metadata.strings(Self.prefix + "merges") else {
      throw metadata.refusal(Self.prefix + "merges", "it is missing")
    }
    func byteLevel(usesPattern: Bool) -> JSONValue {
      [
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
        "use_regex": .bool(usesPattern),
      ]
    }
    var steps: [JSONValue] = [byteLevel(usesPattern: settings.pattern == nil)]
    if let pattern = settings.pattern {
      steps.insert(
        [
          "type": "Split", "pattern": ["Regex": .string(pattern)], "behavior": "Isolated",
          "invert": false,
        ], at: 0)
    }
    if settings.singleDigits {
      steps.insert(["type": "Digits", "individual_digits": true], at: 0)
    }
    if settings.composes { root["normalizer"] = ["type": "NFC"] }
    root["pre_tokenizer"] = ["type": "Sequence", "pretokenizers": .array(steps)]
    root["decoder"] = byteLevel(usesPattern: true)
    root["post_processor"] = try template(addsStart: settings.addsStart)
    return [
      "type": "BPE", "ignore_merges": .bool(settings.ignoresMerges),
      "merges": .array(merges.map(JSONValue.string)),
    ]
  }

  // WordPiece --------------------------------------------------------------------------------------

  private func addWordPiece(to root: inout JSONObject) -> JSONObject {
    root["normalizer"] = [
      "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
      "strip_accents": .null, "lowercase": true,
    ]
    root["pre_tokenizer"] = ["type": "BertPreTokenizer"]
    root["decoder"] = ["type": "WordPiece", "prefix": "##", "cleanup": true]
    root["post_processor"] = frame(
      start: tokenID("cls") ?? tokenID("bos"), end: tokenID("seperator") ?? tokenID("eos"))
    return [
      "type": "WordPiece", "unk_token": .string(specialTokens["unk_token"] ?? "[UNK]"),
      "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
    ]
  }

  /// A token as WordPiece spells it: what doesn't begin a word begins with ##.
  private func wordPiece(_ token: String, _ id: Int) -> String {
    if addedTokens.contains(where: { $0.id == id }) { return token }
    let scalars = token.unicodeScalars
    guard scalars.first == Self.blank.unicodeScalars.first else { return "##" + token }
    return String(scalars.dropFirst())
  }

  // Start and end ----------------------------------------------------------------------------------

  /// What is put around a text, where the file doesn't say otherwise.
  private func template(addsStart: Bool) throws(ModelError) -> JSONValue? {
    let start = try metadata.bool(Self.prefix + "add_bos_token") ?? addsStart
    let end = try metadata.bool(Self.prefix + "add_eos_token") ?? false
    return frame(start: start ? tokenID("bos") : nil, end: end ? tokenID("eos") : nil)
  }

  private func frame(start: Int?, end: Int?) -> JSONValue? {
    guard start != nil || end != nil else { return nil }
    func special(_ id: Int?) -> [JSONValue] {
      id.map { [["SpecialToken": ["id": .string(tokens[$0]), "type_id": 0]]] } ?? []
    }
    func text(_ name: JSONValue, _ type: JSONValue) -> [JSONValue] {
      [["Sequence": ["id": name, "type_id": type]]]
    }
    var ids: JSONObject = [:]
    for id in [start, end].compactMap({ $0 }) {
      let token = JSONValue.string(tokens[id])
      ids[tokens[id]] = ["id": token, "ids": [.integer(Int64(id))], "tokens": [token]]
    }
    return [
      "type": "TemplateProcessing",
      "single": .array(special(start) + text("A", 0) + special(end)),
      "pair": .array(special(start) + text("A", 0) + special(end) + text("B", 1) + special(end)),
      "special_tokens": .object(ids),
    ]
  }
}
