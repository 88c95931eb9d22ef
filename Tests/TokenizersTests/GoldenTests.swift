// Ids and texts against Hugging Face `tokenizers`: 2,200 strings with each kind of tokenizer, and random
// ids decoded.

import JSON
import Testing

@testable import Tokenizers

@Suite struct GoldenTests {
  static let kinds = [
    "gpt2", "roberta", "llama3", "qwen2", "llama2", "metaspace", "bert-uncased", "bert-cased",
    "deepseek-v3", "deepseek-llm", "o200k", "clip", "gemma", "xlmr", "t5", "word-level",
  ]

  @Test(arguments: kinds) func encodes(kind: String) throws {
    let strings = try Fixtures.strings()
    let golden = try Fixtures.json("\(kind)/golden.json")
    let tokenizer = try Tokenizer(directory: Fixtures.path(kind))
    let ids = try #require(golden["ids"]?.array).map { try #require($0.ids) }
    let plain = try #require(golden["plain"]?.object)
    #expect(ids.count == strings.count && strings.count >= 2000)
    let hasNoSpecialTokens = kind.hasPrefix("deepseek")
    #expect(!plain.isEmpty || hasNoSpecialTokens)
    expectEqual(
      strings.indices.map {
        (strings[$0], tokenizer.encode(strings[$0], addSpecialTokens: false), ids[$0])
      }, "\(kind), special tokens parsed")
    expectEqual(
      strings.indices.map { index in
        let actual = tokenizer.encode(
          strings[index], addSpecialTokens: false, parseSpecialTokens: false)
        return (strings[index], actual, plain[String(index)]?.ids ?? ids[index])
      }, "\(kind), special tokens as text")
    #expect(tokenizer.encode("", addSpecialTokens: true) == golden["around"]?.ids)
  }

  @Test(arguments: kinds) func decodes(kind: String) throws {
    let strings = try Fixtures.strings()
    let golden = try Fixtures.json("\(kind)/golden.json")
    let tokenizer = try Tokenizer(directory: Fixtures.path(kind))
    let ids = try #require(golden["ids"]?.array).map { try #require($0.ids) }
    let decoded = try #require(golden["decoded"]?.object)
    expectEqual(
      strings.indices.map { index in
        let text = tokenizer.decode(ids[index], skipSpecialTokens: false)
        let expected = decoded[String(index)]?.string ?? strings[index]
        return (strings[index], Array(text.utf8), Array(expected.utf8))
      }, "\(kind), decoded")
    let randomIDs = try #require(golden["randomIDs"]?.array).map { try #require($0.ids) }
    let texts = try #require(golden["randomTexts"]?.array).map { try #require($0.string) }
    expectEqual(
      zip(randomIDs, texts).map { ids, text in
        ("\(ids)", Array(tokenizer.decode(ids).utf8), Array(text.utf8))
      }, "\(kind), random ids")
  }

  /// Components one by one: normalisers, pre-tokenizers, model settings, added tokens.
  @Test(arguments: [0, 1]) func components(part: Int) throws {
    let file = try Fixtures.json("components-\(part).json")
    let strings = try #require(file["strings"]?.array).map { try #require($0.string) }
    for item in try #require(file["cases"]?.array) {
      let name = try #require(item["name"]?.string)
      let tokenizer = try Tokenizer(json: #require(item["tokenizer"]).serialized())
      let ids = try #require(item["ids"]?.array).map { try #require($0.ids) }
      expectEqual(
        zip(strings, ids).map { ($0, tokenizer.encode($0, addSpecialTokens: false), $1) }, name)
    }
  }
}
