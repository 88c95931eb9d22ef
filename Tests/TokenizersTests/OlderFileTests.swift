// Tokenizers without a tokenizer.json, against the libraries that their files come from: sentencepiece,
// tiktoken, transformers. scripts/fixtures/tokenizers_files.py makes the files.

import FoundationEssentials
import JSON
import Testing

@testable import Tokenizers

@Suite struct OlderFileTests {
  private func golden(_ kind: String) throws -> (ids: [[Int32]], decoded: JSONObject) {
    let golden = try Fixtures.json("\(kind)/golden.json")
    let ids = try #require(golden["ids"]?.array).map { try #require($0.ids) }
    #expect(ids.count >= 2000)
    return (ids, golden["decoded"]?.object ?? [:])
  }

  @Test(arguments: ["spm-unigram", "spm-bpe"]) func sentencePiece(kind: String) throws {
    let strings = try Fixtures.strings()
    let (ids, decoded) = try golden(kind)
    let unknown = Set(try #require(Fixtures.json("\(kind)/golden.json")["unknown"]?.ids))
    let tokenizer = try Tokenizer(directory: Fixtures.path(kind))
    expectEqual(
      strings.indices.map { index in
        let actual = tokenizer.encode(
          strings[index], addSpecialTokens: false, parseSpecialTokens: false)
        return (strings[index], actual, ids[index])
      }, kind)
    expectEqual(
      strings.indices.filter { !unknown.contains(Int32($0)) }.map { index in
        let expected = decoded[String(index)]?.string ?? strings[index]
        return (strings[index], tokenizer.decode(ids[index]), expected)
      }, "\(kind), decoded")
    #expect(tokenizer.specialTokens["bos_token"] == "<s>")
    #expect(tokenizer.encode("", addSpecialTokens: true) == [1])
    #expect(tokenizer.encode("</s>", addSpecialTokens: false) == [2])
  }

  @Test func tiktoken() throws {
    let strings = try Fixtures.strings()
    let (ids, _) = try golden("qwen1")
    let tokenizer = try Tokenizer(directory: Fixtures.path("qwen1"))
    expectEqual(
      strings.indices.map {
        (strings[$0], tokenizer.encode(strings[$0], addSpecialTokens: true), ids[$0])
      }, "qwen1")
    expectEqual(
      strings.indices.map { index in
        let text = UnicodeNormalization.shared.normalize(Array(strings[index].utf8), to: .nfc)
        let decoded = tokenizer.decode(ids[index], skipSpecialTokens: false)
        return (strings[index], Array(decoded.utf8), text)
      }, "qwen1, decoded")
    #expect(tokenizer.endOfSequence == tokenizer.id(of: "<|endoftext|>"))
    #expect(tokenizer.id(of: "<|extra_204|>") == Int32(tokenizer.count - 1))
  }

  @Test(arguments: ["bert-vocab", "gpt2-vocab"]) func vocabularies(kind: String) throws {
    let strings = try Fixtures.strings()
    let (ids, decoded) = try golden(kind)
    let tokenizer = try Tokenizer(directory: Fixtures.path(kind))
    expectEqual(
      strings.indices.map {
        (strings[$0], tokenizer.encode(strings[$0], addSpecialTokens: false), ids[$0])
      }, kind)
    expectEqual(
      strings.indices.map { index in
        let expected = decoded[String(index)]?.string ?? strings[index]
        let text = tokenizer.decode(ids[index], skipSpecialTokens: false)
        return (strings[index], Array(text.utf8), Array(expected.utf8))
      }, "\(kind), decoded")
    let around = try #require(Fixtures.json("\(kind)/golden.json")["around"]?.ids)
    #expect(tokenizer.encode("", addSpecialTokens: true) == around)
  }

  @Test(arguments: ["bert-vocab", "gpt2-vocab", "spm-bpe"])
  func unknownClassesAreRefusedByName(kind: String) throws {
    let manager = FileManager.default
    let directory = try temporaryDirectory(["tokenizer_config.json": #"{"tokenizer_class": "Odd"}"#]
    )
    defer { try? manager.removeItem(atPath: directory) }
    for name in try manager.contentsOfDirectory(atPath: Fixtures.path(kind))
    where name != "tokenizer_config.json" {
      try manager.copyItem(atPath: "\(Fixtures.path(kind))/\(name)", toPath: "\(directory)/\(name)")
    }
    #expect {
      try Tokenizer(directory: directory)
    } throws: { error in
      "\(error)".contains("tokenizer_config.json: tokenizer_class: the value \"Odd\"")
    }
  }

  /// Added tokens, switches and names from tokenizer_config.json.
  @Test func settings() throws {
    let model = try readFile("\(Fixtures.path("spm-bpe"))/tokenizer.model")
    let directory = try temporaryDirectory([
      "tokenizer_config.json": """
      {"add_bos_token": false, "add_eos_token": true, "eos_token": "<end>", "added_tokens_decoder":
       {"5000": {"content": "<end>", "lstrip": true, "rstrip": false, "normalized": false,
                 "single_word": false, "special": true}}}
      """
    ])
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try Data(model).write(to: URL(filePath: "\(directory)/tokenizer.model"))
    let tokenizer = try Tokenizer(directory: directory)
    #expect(tokenizer.encode("<end>", addSpecialTokens: true) == [5000, 2])
    #expect(tokenizer.endOfSequence == 5000 && tokenizer.beginningOfSequence == 1)
  }

  @Test func damagedTiktokenFilesAreRefused() throws {
    for text in ["IQ== 1\n", "IQ== 0\nIQ== 1\n", "IQ==\n", "!? 0\n", "IQ== 0\nIg== 2\n", "= 0\n"] {
      let directory = try temporaryDirectory(["qwen.tiktoken": text])
      defer { try? FileManager.default.removeItem(atPath: directory) }
      #expect(throws: TokenizerError.self, "\(text)") { try Tokenizer(directory: directory) }
    }
  }
}
