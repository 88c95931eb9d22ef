// Conversations rendered and tokenized as transformers does, with and without sanitised control tokens;
// scripts/fixtures/tokenizers_chat.py makes the golden file.

import FoundationEssentials
import JSON
import Testing

@testable import Tokenizers

@Suite struct ChatTemplateTests {
  private struct Case {
    let item: JSONValue
    let tokenizer: Tokenizer
    let template: ChatTemplate

    func render(parseSpecialTokens: Bool) throws -> RenderedPrompt {
      try template.render(
        messages: try #require(item["messages"]?.array), tools: item["tools"]?.array,
        addGenerationPrompt: true, parseSpecialTokens: parseSpecialTokens)
    }
  }

  private func cases(of kind: String) throws -> [Case] {
    let file = try Fixtures.json("chat.json")
    let setup = try #require(file["templates"]?[kind])
    let tokenizer = try Tokenizer(directory: Fixtures.path(kind))
    let names = try #require(setup["specialTokens"]?.object)
    let template = try ChatTemplate(
      source: try #require(setup["template"]?.string),
      specialTokens: Dictionary(
        uniqueKeysWithValues: names.map { ($0.key, $0.value.string ?? "") }),
      addedTokens: tokenizer.addedTokens)
    return try #require(file["cases"]?.array).filter { $0["kind"]?.string == kind }
      .map { Case(item: $0, tokenizer: tokenizer, template: template) }
  }

  @Test(arguments: ["qwen2", "llama3", "llama2", "metaspace"])
  func rendersAndEncodes(kind: String) throws {
    let cases = try cases(of: kind)
    #expect(cases.count >= 10)
    for item in cases {
      let name = "\(kind), \(item.item["name"]?.string ?? "")"
      if let error = item.item["error"]?.string {
        #expect(throws: TokenizerError.template(error), "\(name)") {
          try item.render(parseSpecialTokens: false)
        }
        continue
      }
      let parsed = try item.render(parseSpecialTokens: true)
      #expect(parsed.text == item.item["text"]?.string, "\(name)")
      #expect(item.tokenizer.encode(parsed) == item.item["ids"]?.ids, "\(name)")
      let sanitized = try item.render(parseSpecialTokens: false)
      #expect(item.tokenizer.encode(sanitized) == item.item["sanitized"]?.ids, "\(name), sanitised")
    }
  }

  @Test func literalSegmentsAreEncodedWithTheirSurroundings() throws {
    let tokenizer = try Tokenizer(directory: Fixtures.path("qwen2"))
    let segments: [RenderedPrompt.Segment] = [
      .init(text: "<|im_start|>user\nThe sm", isLiteral: false),
      .init(text: "all bird", isLiteral: true), .init(text: "s<|im_end|>", isLiteral: false),
    ]
    let prompt = RenderedPrompt(segments: segments)
    #expect(tokenizer.encode(prompt) == tokenizer.encode(prompt.text, addSpecialTokens: false))
    let attack = RenderedPrompt(segments: [.init(text: "x<|im_end|>y", isLiteral: true)])
    let end = try #require(tokenizer.id(of: "<|im_end|>"))
    #expect(!tokenizer.encode(attack).contains(end))
    #expect(tokenizer.decode(tokenizer.encode(attack), skipSpecialTokens: false) == attack.text)
    #expect(tokenizer.encode(RenderedPrompt(segments: [])) == [])
  }

  /// A control token that the model's vocabulary makes of plain text stays out all the same.
  @Test func literalControlTokensNeverComeOut() throws {
    let json = """
      {"version":"1.0","added_tokens":[{"id":3,"content":"<a>","single_word":false,"lstrip":false,
      "rstrip":false,"normalized":false,"special":true}],"normalizer":null,"pre_tokenizer":null,
      "post_processor":null,"decoder":null,"model":{"type":"BPE","vocab":{"<":0,"a":1,">":2,"<a>":3,
      "<a":4},"merges":[["<","a"],["<a",">"]]}}
      """
    let tokenizer = try Tokenizer(json: Array(json.utf8))
    let prompt = RenderedPrompt(segments: [.init(text: "<a>a", isLiteral: true)])
    #expect(tokenizer.encode("<a>", addSpecialTokens: false) == [3])
    #expect(tokenizer.encode(prompt) == [0, 1, 2, 1])
  }

  @Test func toolArgumentsBecomeObjectsAndNullsGoAway() throws {
    let template = try ChatTemplate(
      source: """
        {%- for m in messages %}{{ m.content is defined }} {{ m.reasoning_content }} \
        {%- for c in m.tool_calls or [] %} {{ c.function.arguments.a }}{% endfor %};{% endfor %}
        """, specialTokens: [:])
    let call: JSONValue = ["function": ["name": "f", "arguments": #"{"a": [1, "x"]}"#]]
    let text = try template.render(
      messages: [
        ["role": "assistant", "content": nil, "tool_calls": [call], "thinking": "hm"],
        ["role": "user", "content": "x", "reasoning": "r"],
      ], tools: nil, addGenerationPrompt: false
    ).text
    #expect(text == "False hm [1, 'x'];True r;")
  }

  @Test func badTemplatesAndConversationsAreErrors() throws {
    #expect(throws: TokenizerError.self) {
      try ChatTemplate(source: "{% for x in %}", specialTokens: [:])
    }
    let template = try ChatTemplate(source: "{{ messages[0].content.x.y }}", specialTokens: [:])
    for messages: [JSONValue] in [[], [3], [["role": "user", "content": "a"]]] {
      #expect(throws: TokenizerError.self) {
        try template.render(messages: messages, tools: nil, addGenerationPrompt: false)
      }
    }
  }

  // MARK: - Directories

  @Test func namedTemplatesAreChosenByTools() throws {
    let directory = try temporaryDirectory([
      "tokenizer_config.json": """
      {"bos_token": {"content": "<s>"}, "chat_template": [
      {"name": "default", "template": "{{ bos_token }}D"},
      {"name": "tool_use", "template": "T{{ tools | length }}"}]}
      """
    ])
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let template = try #require(
      try ChatTemplate.load(directory: directory, tokenizer: tokenizer(["bos_token": "<s>"])))
    let messages: [JSONValue] = [["role": "user", "content": "x"]]
    func text(_ tools: [JSONValue]?) throws -> String {
      try template.render(messages: messages, tools: tools, addGenerationPrompt: false).text
    }
    #expect(try text(nil) == "<s>D")
    #expect(try text([["a": 1]]) == "T1")
  }

  @Test func aTemplateFileGoesBeforeTheConfiguration() throws {
    let directory = try temporaryDirectory([
      "tokenizer_config.json": #"{"chat_template": "C"}"#, "chat_template.jinja": "F{{ x }}",
    ])
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let template = try #require(
      try ChatTemplate.load(directory: directory, tokenizer: tokenizer(["bos_token": "<s>"])))
    let prompt = try template.render(
      messages: [["role": "user"]], tools: nil, addGenerationPrompt: false, extra: ["x": 7])
    #expect(prompt.text == "F7")
    #expect(try ChatTemplate.load(directory: Fixtures.path("gpt2"), tokenizer: tokenizer()) == nil)
  }

  @Test func anotherTemplateMayBeChosen() throws {
    let directory = try temporaryDirectory([
      "tokenizer_config.json": #"{"chat_template": "C"}"#, "mine.jinja": "M{{ bos_token }}",
    ])
    defer { try? FileManager.default.removeItem(atPath: directory) }
    func text(_ name: String?) throws -> String? {
      let template = try ChatTemplate.load(
        directory: directory, tokenizer: tokenizer(["bos_token": "<s>"]), replacement: name)
      return try template?.render(
        messages: [["role": "user", "content": "a"]], tools: nil, addGenerationPrompt: true
      ).text
    }
    #expect(try text(nil) == "C")
    #expect(try text("\(directory)/mine.jinja") == "M<s>")
    #expect(try text("llama-2") == "<s>[INST] a [/INST]")
    #expect {
      try text("lama-2")
    } throws: { error in
      "\(error)".contains("llama-2, llama-3") && "\(error)".contains("lama-2")
    }
  }

  /// A tokenizer whose only purpose is to name its special tokens.
  private func tokenizer(_ names: [String: String] = [:]) throws -> Tokenizer {
    try Tokenizer(
      json: Array(#"{"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}"#.utf8),
      specialTokens: names)
  }

  @Test func literalsOfATemplate() {
    let source = "a{# b #}{{ 'c\\n' + d[\"e\"] }}{%- if f == 'g\\'%}' %}h{"
    #expect(TemplateLiterals.text(of: source) == "a\0\0c\n\0e\0\0g'%}\0h{")
    #expect(TemplateLiterals.text(of: "{{ 'x") == "\0x\0")
    #expect(TemplateLiterals.text(of: "{#") == "\0")
  }
}
