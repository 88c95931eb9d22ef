// Tokenizers out of GGUF files give the ids of the tokenizer.json, or of the SentencePiece model, that
// the file was made of, on all strings of the tokenizer fixtures. Fixtures:
// scripts/fixtures/gguf_tokenizers.py.

import Checkpoints
import Foundation
import Inference
import JSON
import Testing
import Tokenizers
import Transformer

@Suite struct GGUFTokenizerTests {
  private static let fixtures = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Fixtures")

  private func json(_ path: String) throws -> JSONValue {
    try JSONValue(parsing: [UInt8](Data(contentsOf: Self.fixtures.appending(path: path))))
  }

  private func file(_ kind: String) throws -> GGUFTokenizer {
    let path = Self.fixtures.appending(path: "checkpoints/gguf-tokenizers/\(kind).gguf").path
    return try GGUFTokenizer(GGUFFile(path: path))
  }

  private func ids(_ value: JSONValue?) -> [Int32] {
    value?.array?.compactMap { $0.int.map(Int32.init) } ?? []
  }

  @Test(arguments: ["gpt2", "llama3", "qwen2", "bert-uncased"])
  func idsAreThoseOfTokenizerJSON(kind: String) throws {
    let strings = try #require(try json("tokenizers/strings.json").array).compactMap(\.string)
    let golden = try json("tokenizers/\(kind)/golden.json")
    let expected = try #require(golden["ids"]?.array)
    let tokenizer = try file(kind).tokenizer()
    // Added there as a whole word, which a GGUF file can't say.
    let wholeWord = kind == "bert-uncased" ? "yesterday" : nil
    var wrong: [String] = []
    for (text, wanted) in zip(strings, expected)
    where tokenizer.encode(text, addSpecialTokens: false) != ids(wanted) {
      if let wholeWord, text.lowercased().contains(wholeWord) { continue }
      wrong.append(text)
    }
    #expect(strings.count >= 2000 && expected.count == strings.count)
    #expect(wrong.isEmpty, "\(wrong.count) differ, first \(wrong.first?.debugDescription ?? "")")
    #expect(tokenizer.encode("", addSpecialTokens: true) == ids(golden["around"]))
  }

  @Test func idsAreThoseOfSentencePiece() throws {
    let strings = try #require(try json("tokenizers/strings.json").array).compactMap(\.string)
    let expected = try #require(try json("checkpoints/gguf-tokenizers/llama2.json").array)
    let tokenizer = try file("llama2").tokenizer()
    var wrong: [String] = []
    for (text, wanted) in zip(strings, expected) {
      let found = tokenizer.encode(text, addSpecialTokens: false, parseSpecialTokens: false)
      if found != ids(wanted) { wrong.append(text) }
    }
    #expect(wrong.isEmpty, "\(wrong.count) differ, first \(wrong.first?.debugDescription ?? "")")
    #expect(tokenizer.encode("", addSpecialTokens: true) == [1])
  }

  @Test func templatesComeFromTheFile() throws {
    let file = try file("llama3")
    let template = try #require(try file.template())
    let prompt = try template.render(
      messages: [["role": "user", "content": "Hello"]], tools: nil, addGenerationPrompt: false)
    #expect(prompt.text == "<|begin_of_text|>[user]Hello")
    #expect(file.configurationFile["eos_token"] == "<|eot_id|>")
    #expect(try self.file("bert-uncased").template() == nil)
  }
}
