// The built-in chat templates, rendered as transformers renders the same text over the conversations of
// the Jinja tests; scripts/fixtures/jinja_builtin.py makes the golden file.

import JSON
import Testing

@testable import Tokenizers

@Suite struct BuiltInTemplateTests {
  @Test func rendersAsTransformers() throws {
    let cases = try #require(try Fixtures.json("../jinja/builtin.json").array)
    let conversations = try Fixtures.json("../jinja/conversations.json")["conversations"]
    #expect(Set(cases.compactMap { $0["template"]?.string }) == Set(ChatTemplate.builtInNames))
    #expect(cases.count >= 200)
    for item in cases {
      let name = try #require(item["template"]?.string)
      let conversation = try #require(item["conversation"]?.string)
      let context = try #require(conversations?[conversation]?.object)
      let template = try ChatTemplate(
        source: try #require(ChatTemplate.builtIn[name]),
        specialTokens: ["bos_token": "<s>", "eos_token": "</s>"])
      let title = "\(name), \(conversation)"
      do {
        let text = try template.render(
          messages: try #require(context["messages"]?.array), tools: context["tools"]?.array,
          addGenerationPrompt: context["add_generation_prompt"]?.bool == true,
          parseSpecialTokens: true
        ).text
        #expect(text.utf8.elementsEqual(item["output"]?.string?.utf8 ?? "".utf8), "\(title)")
      } catch let error as TokenizerError {
        let expected = item["error"]?.string ?? "a text"
        #expect(error.description.contains(expected), "\(title): \(error)")
      }
    }
  }

  /// Prompts as the formats' documentation shows them.
  static let documented = [
    (
      "chatml",
      "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n"
    ),
    ("llama-2", "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nU [/INST]"),
    (
      "llama-3",
      "<s><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|>"
        + "<|start_header_id|>user<|end_header_id|>\n\nU<|eot_id|>"
        + "<|start_header_id|>assistant<|end_header_id|>\n\n"
    ),
    ("mistral", "<s>[INST] S\n\nU [/INST]"),
    ("gemma", "<s><start_of_turn>user\nS\n\nU<end_of_turn>\n<start_of_turn>model\n"),
    ("phi-3", "<|system|>\nS<|end|>\n<|user|>\nU<|end|>\n<|assistant|>\n"),
    ("zephyr", "<|system|>\nS</s>\n<|user|>\nU</s>\n<|assistant|>\n"),
    ("vicuna", "S USER: U ASSISTANT:"),
    ("alpaca", "S\n\n### Instruction:\nU\n\n### Response:\n"),
    ("deepseek", "<s>S\n\nUser: U\n\nAssistant:"),
    (
      "command-r",
      "<s><|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>S<|END_OF_TURN_TOKEN|>"
        + "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>U<|END_OF_TURN_TOKEN|>"
        + "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>"
    ),
  ]

  @Test(arguments: documented) func looksAsDocumented(name: String, prompt: String) throws {
    let template = try ChatTemplate(
      source: try #require(ChatTemplate.builtIn[name]),
      specialTokens: ["bos_token": "<s>", "eos_token": "</s>"])
    let text = try template.render(
      messages: [["role": "system", "content": "S"], ["role": "user", "content": "U"]],
      tools: nil, addGenerationPrompt: true
    ).text
    #expect(text == prompt)
  }
}
