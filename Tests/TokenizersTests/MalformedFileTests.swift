// Files that break the format, contradict themselves or ask for what isn't there: an error that names the
// file, the key and the value, never a crash.

import FoundationEssentials
import JSON
import Testing

@testable import Tokenizers

@Suite struct MalformedFileTests {
  /// A small well-formed file with members of it replaced.
  private func file(_ changes: [(path: [String], value: JSONValue)] = []) throws -> [UInt8] {
    var root: JSONValue = [
      "version": "1.0", "truncation": nil, "padding": nil, "added_tokens": [],
      "normalizer": ["type": "NFC"], "pre_tokenizer": ["type": "Whitespace"],
      "post_processor": nil, "decoder": ["type": "Fuse"],
      "model": [
        "type": "BPE", "unk_token": "a", "vocab": ["a": 0, "b": 1, "ab": 2],
        "merges": [["a", "b"]],
      ],
    ]
    for change in changes { root = replacing(root, change.path[...], change.value) }
    return root.serialized()
  }

  private func replacing(
    _ root: JSONValue, _ path: ArraySlice<String>, _ value: JSONValue
  ) -> JSONValue {
    guard let key = path.first, var object = root.object else { return value }
    object[key] = replacing(object[key] ?? nil, path.dropFirst(), value)
    return .object(object)
  }

  private func added(_ changes: JSONObject) -> JSONValue {
    var token: JSONObject = [
      "id": 3, "content": "<x>", "single_word": false, "lstrip": false, "rstrip": false,
      "normalized": false, "special": true,
    ]
    token.merge(changes) { $1 }
    return .object(token)
  }

  private func expectError(
    _ path: String, _ value: JSONValue, key: String, contains text: String = "",
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let bytes = try file([(path.split(separator: ".").map(String.init), value)])
    do {
      _ = try Tokenizer(json: bytes, file: "dir/tokenizer.json")
      Issue.record("\(path) = \(value) was accepted", sourceLocation: sourceLocation)
    } catch {
      let message = error.description
      #expect(
        message.hasPrefix("dir/tokenizer.json: \(key)") && message.contains(text), "\(message)",
        sourceLocation: sourceLocation)
    }
  }

  @Test func theBaseIsFine() throws {
    let tokenizer = try Tokenizer(json: file())
    #expect(tokenizer.encode("ab a?", addSpecialTokens: true) == [2, 0, 0])
    #expect(tokenizer.count == 3)
    let oldForm = try file([(["model", "merges"], ["#version: 0.2", "a b"])])
    #expect(try Tokenizer(json: oldForm).encode("ab", addSpecialTokens: false) == [2])
  }

  @Test func vocabularies() throws {
    for value: JSONValue in [-1, 1.5, 99_999_999_999, "0", nil] {
      try expectError(
        "model.vocab", ["a": value, "b": 1, "ab": 2], key: "model.vocab", contains: "\"a\"")
    }
    try expectError("model.vocab", ["a": 0, "b": 0, "ab": 2], key: "model.vocab", contains: "id 0")
    try expectError("model.vocab", nil, key: "model", contains: "\"vocab\" is missing")
    try expectError("model.vocab", [], key: "model.vocab", contains: "object")
    try expectError("model.unk_token", "zz", key: "model.unk_token", contains: "zz")
    let twice = #"{"model":{"type":"BPE","vocab":{"a":0,"a":1},"merges":[]}}"#
    #expect(throws: TokenizerError.self) { try Tokenizer(json: Array(twice.utf8)) }
  }

  @Test func merges() throws {
    try expectError("model.merges", [["a", "z"]], key: "model.merges", contains: "merge 0")
    try expectError("model.merges", [["b", "a"]], key: "model.merges", contains: "vocabulary")
    for value: JSONValue in ["ab", "a  b", ["a"], ["a", "b", "c"], 3, ["a", 3], nil] {
      try expectError(
        "model.merges", [["a", "b"], value], key: "model.merges", contains: "merge 1")
    }
    try expectError("model.merges", nil, key: "model", contains: "merges")
  }

  @Test func unknownSettingsAreRefusedByName() throws {
    try expectError("model.type", "Novel", key: "model.type", contains: "Novel")
    try expectError("model.novelty", 1, key: "model.novelty", contains: "1")
    try expectError("normalizer.type", "Novel", key: "normalizer.type", contains: "Novel")
    try expectError(
      "normalizer", ["type": "NFC", "speed": 1], key: "normalizer.speed", contains: "1")
    try expectError("pre_tokenizer.type", "UnicodeScripts", key: "pre_tokenizer.type")
    try expectError("decoder.type", "CTC", key: "decoder.type", contains: "CTC")
    try expectError("post_processor", ["type": "New"], key: "post_processor.type", contains: "New")
    try expectError("version", "2.0", key: "version", contains: "2.0")
    try expectError("surprise", true, key: "surprise", contains: "true")
    try expectError(
      "decoder",
      [
        "type": "Sequence",
        "decoders": [
          ["type": "Fuse"], ["type": "Replace", "pattern": ["Regex": " +"], "content": ""],
        ],
      ],
      key: "decoder.decoders[1].pattern", contains: " +")
    try expectError(
      "pre_tokenizer",
      [
        "type": "Sequence",
        "pretokenizers": [["type": "Whitespace"], ["type": "Punctuation", "behavior": "Odd"]],
      ],
      key: "pre_tokenizer.pretokenizers[1].behavior", contains: "Odd")
    try expectError(
      "decoder",
      [
        "type": "Sequence",
        "decoders": [["type": "Fuse"], ["type": "WordPiece", "prefix": "#", "cleanup": true]],
      ],
      key: "decoder.decoders[1].type", contains: "WordPiece")
    try expectError("normalizer", 3, key: "normalizer", contains: "object")
    try expectError(
      "pre_tokenizer", ["type": "Metaspace", "replacement": "ab"], key: "pre_tokenizer.replacement")
  }

  @Test func expressionsAndMaps() throws {
    try expectError(
      "normalizer", ["type": "Replace", "pattern": ["Regex": "(a"], "content": ""],
      key: "normalizer.pattern.Regex", contains: "parenthesis")
    try expectError(
      "pre_tokenizer",
      ["type": "Split", "pattern": ["Regex": "a{2"], "behavior": "Isolated", "invert": 1],
      key: "pre_tokenizer.invert")
    for map: JSONValue in ["", "!", "AAAA", "BAAAAA==", "/////w=="] {
      try expectError(
        "normalizer", ["type": "Precompiled", "precompiled_charsmap": map],
        key: "normalizer.precompiled_charsmap", contains: "character map")
    }
    try expectError(
      "pre_tokenizer", ["type": "FixedLength", "length": 0], key: "pre_tokenizer.length")
    try expectError(
      "pre_tokenizer", ["type": "CharDelimiterSplit", "delimiter": "ab"],
      key: "pre_tokenizer.delimiter")
  }

  @Test func scoresAndWords() throws {
    func model(_ changes: JSONObject) -> JSONValue {
      var members: JSONObject = [
        "type": "Unigram", "unk_id": 0, "vocab": [["a", -1], ["b", -2.5]],
      ]
      members.merge(changes) { $1 }
      return .object(members)
    }
    try expectError("model", model(["unk_id": 2]), key: "model.unk_id", contains: "2")
    try expectError("model", model(["vocab": []]), key: "model.vocab", contains: "no tokens")
    for element: JSONValue in [["a"], ["a", "b"], ["a", 1, 2], "a", nil, [1, "a"]] {
      try expectError(
        "model", model(["vocab": [["a", -1], element]]), key: "model.vocab", contains: "element 1")
    }
    try expectError(
      "model", ["type": "WordLevel", "vocab": ["a": 0]], key: "model", contains: "<unk>")
  }

  /// A pattern that backtracks without end leaves the rest of the text uncut.
  @Test func runawayExpressions() throws {
    let split: JSONValue = [
      "type": "Split", "pattern": ["Regex": "(a+)+$"], "behavior": "Isolated", "invert": false,
    ]
    let tokenizer = try Tokenizer(
      json: file([(["pre_tokenizer"], split), (["normalizer"], nil)]))
    let text = String(repeating: "a", count: 200) + "b"
    #expect(
      tokenizer.encode(text, addSpecialTokens: false).count == 200)
  }

  @Test func addedTokens() throws {
    try expectError("added_tokens", [added(["id": 0])], key: "added_tokens[0]", contains: "\"a\"")
    try expectError(
      "added_tokens", [added(["content": "a"])], key: "added_tokens[0]", contains: "vocabulary")
    try expectError(
      "added_tokens", [added([:]), added(["content": "<y>"])], key: "added_tokens[1]",
      contains: "same id 3")
    try expectError(
      "added_tokens", [added([:]), added(["id": 4])], key: "added_tokens[1]", contains: "twice")
    try expectError("added_tokens", [added(["id": -1])], key: "added_tokens[0].id", contains: "-1")
    try expectError("added_tokens", [added(["special": 1])], key: "added_tokens[0].special")
    try expectError(
      "added_tokens", [added(["color": "red"])], key: "added_tokens[0].color", contains: "red")
    try expectError("added_tokens", ["x"], key: "added_tokens[0]", contains: "object")
  }

  @Test func postProcessors() throws {
    func template(_ single: JSONValue, _ special: JSONValue) -> JSONValue {
      ["type": "TemplateProcessing", "single": single, "pair": [], "special_tokens": special]
    }
    let piece: JSONValue = ["SpecialToken": ["id": "<s>", "type_id": 0]]
    try expectError("post_processor", template([piece], [:]), key: "post_processor.special_tokens")
    try expectError(
      "post_processor", template([piece], ["<s>": ["id": "<s>", "ids": [77], "tokens": ["<s>"]]]),
      key: "post_processor.special_tokens.<s>.ids[0]", contains: "77")
    try expectError(
      "post_processor", template([["Sequence": ["id": "B", "type_id": 0]]], [:]),
      key: "post_processor.single[0].Sequence.id", contains: "B")
    func pair(_ parts: JSONValue) -> JSONValue {
      ["type": "TemplateProcessing", "single": [], "pair": parts, "special_tokens": [:]]
    }
    try expectError(
      "post_processor", pair([["Sequence": ["id": "C", "type_id": 0]]]),
      key: "post_processor.pair[0].Sequence.id", contains: "C")
    try expectError(
      "post_processor", pair([["Sequence": ["id": "A", "type_id": 256]]]),
      key: "post_processor.pair[0].Sequence.type_id")
    try expectError("post_processor", pair([piece]), key: "post_processor.special_tokens")
    try expectError(
      "post_processor", ["type": "BertProcessing", "sep": ["a"], "cls": ["a", 0]],
      key: "post_processor.sep")
  }

  /// Every prefix of a file, and every file with one byte changed, is read or refused.
  @Test func truncatedAndDamagedFiles() throws {
    let bytes = try file([(["added_tokens"], [added([:])])])
    for count in bytes.indices {
      #expect(throws: TokenizerError.self) { try Tokenizer(json: Array(bytes[..<count])) }
    }
    var accepted = 0
    for index in bytes.indices {
      var damaged = bytes
      damaged[index] = UInt8(0x20 + (index * 31 + 7) % 95)
      guard let tokenizer = try? Tokenizer(json: damaged) else { continue }
      accepted += 1
      let ids = tokenizer.encode("ab <x> ba é", addSpecialTokens: true)
      _ = tokenizer.decode(ids)
    }
    #expect(accepted < bytes.count)
  }

  @Test func directories() throws {
    let missing = "/nonexistent/model"
    #expect {
      try Tokenizer(directory: missing)
    } throws: { error in
      "\(error)".contains("\(missing)/tokenizer.json")
    }
    let directory = try temporaryDirectory([
      "tokenizer.json": String(decoding: file(), as: UTF8.self),
      "special_tokens_map.json": #"{"bos_token": "a", "eos_token": {"content": "ab"}}"#,
      "tokenizer_config.json": #"{"bos_token": {"content": "b"}, "pad_token": null}"#,
    ])
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let tokenizer = try Tokenizer(directory: directory)
    #expect(tokenizer.specialTokens == ["bos_token": "b", "eos_token": "ab"])
    #expect(tokenizer.beginningOfSequence == 1 && tokenizer.endOfSequence == 2)
    try Data("{".utf8).write(to: URL(filePath: "\(directory)/tokenizer_config.json"))
    #expect(throws: TokenizerError.self) { try Tokenizer(directory: directory) }
  }
}
