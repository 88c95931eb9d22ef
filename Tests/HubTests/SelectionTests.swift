// Which files are fetched, and what a person may call a model.

import Testing

@testable import Hub

@Suite struct SelectionTests {
  private func files(
    _ names: String, _ model: String = "org/model", _ selection: FileSelection = FileSelection()
  ) throws -> String {
    let names = names.split(separator: " ").map(String.init)
    return try selection.files(among: names, of: ModelReference(model)).joined(separator: " ")
  }

  @Test func prefersSafetensors() throws {
    #expect(
      try files(
        """
        .gitattributes README.md config.json consolidated.safetensors flax_model.msgpack \
        generation_config.json merges.txt model-00001-of-00002.safetensors \
        model-00002-of-00002.safetensors model.fp16.safetensors model.safetensors.index.json \
        modeling_x.py onnx/config.json onnx/model.onnx original/params.json pytorch_model.bin \
        pytorch_model.bin.index.json rust_model.ot tf_model.h5 tokenizer.json vocab.json x.gguf
        """)
          == """
          config.json generation_config.json merges.txt model-00001-of-00002.safetensors \
          model-00002-of-00002.safetensors model.safetensors.index.json tokenizer.json vocab.json
          """)
  }

  @Test(arguments: [
    (
      "config.json pytorch_model-1-of-2.bin pytorch_model-2-of-2.bin pytorch_model.bin.index.json",
      "config.json pytorch_model-1-of-2.bin pytorch_model-2-of-2.bin pytorch_model.bin.index.json"
    ),
    ("config.json model.safetensors model-1-of-1.safetensors", "config.json model.safetensors"),
    (
      "adapter_config.json adapter_model.bin adapter_model.safetensors optimizer.pt",
      "adapter_config.json adapter_model.safetensors"
    ),
    (
      "1_Pooling/config.json 2_Dense/config.json 2_Dense/model.safetensors 2_Dense/pytorch_model.bin "
        + "config.json model.safetensors modules.json",
      "1_Pooling/config.json 2_Dense/config.json 2_Dense/model.safetensors config.json "
        + "model.safetensors modules.json"
    ),
    (
      "0_Transformer/config.json 0_Transformer/pytorch_model.bin 0_Transformer/vocab.txt modules.json",
      "0_Transformer/config.json 0_Transformer/pytorch_model.bin 0_Transformer/vocab.txt modules.json"
    ),
    (
      "additional_chat_templates/tools.jinja chat_template.jinja model.safetensors qwen.tiktoken",
      "additional_chat_templates/tools.jinja chat_template.jinja model.safetensors qwen.tiktoken"
    ),
  ])
  func takesWhatLoadingReads(_ names: String, _ expected: String) throws {
    #expect(try files(names) == expected)
  }

  @Test func refusesModelsOfOtherFrameworks() {
    let error = #expect(throws: HubError.self) { try files("config.json tf_model.h5 model.onnx") }
    #expect(error?.description.contains("--include") == true)
  }

  @Test(arguments: [
    ("org/model", "a-Q4_K_M.gguf a-Q8_0.gguf", "a-Q4_K_M.gguf"),
    ("org/model:latest", "a.q4_k_m.gguf a.q8_0.gguf config.json", "a.q4_k_m.gguf"),
    ("org/model:Q8_0", "a-Q4_K_M.gguf a-Q8_0.gguf", "a-Q8_0.gguf"),
    ("org/model", "only-F16.gguf mmproj-F16.gguf", "only-F16.gguf"),
    (
      "org/model:Q6_K", "Q6_K/a-00001-of-00002.gguf Q6_K/a-00002-of-00002.gguf Q4_0/a.gguf",
      "Q6_K/a-00001-of-00002.gguf Q6_K/a-00002-of-00002.gguf"
    ),
    ("org/model:F16", "a-BF16.gguf a-F16.gguf model.safetensors", "a-F16.gguf"),
    ("org/model:Q4_K", "a-Q4_K_S.gguf a-Q4_K.gguf", "a-Q4_K.gguf"),
  ])
  func findsVariants(_ model: String, _ names: String, _ expected: String) throws {
    #expect(try files(names, model) == expected)
  }

  @Test(arguments: [
    (
      "org/model", "a-Q5_0.gguf a-Q8_0.gguf",
      "comes in several variants: name one of them, as org/model:Q5_0"
    ),
    ("org/model:Q4_K_M", "a-Q4_K_M.gguf b-Q4_K_M.gguf", "a-Q4_K_M.gguf, b-Q4_K_M.gguf; choose"),
    ("org/model:Q4_K_M", "model.safetensors", "it has no GGUF files"),
  ])
  func asksWhichVariant(_ model: String, _ names: String, _ text: String) throws {
    let error = #expect(throws: HubError.self) { try files(names, model) }
    #expect("\(try #require(error))".contains(text))
  }

  @Test(arguments: [
    ("gpt2", "gpt2", nil, "main"),
    ("Qwen/Qwen2.5-0.5B", "Qwen/Qwen2.5-0.5B", nil, "main"),
    ("org/m:Q4_K_M", "org/m", "Q4_K_M", "main"),
    ("org/m@refs/pr/1", "org/m", nil, "refs/pr/1"),
    ("org/m@v1:Q8_0", "org/m", "Q8_0", "v1"),
    ("org/m:Q8_0@v1", "org/m", "Q8_0", "v1"),
    ("https://huggingface.co/org/m", "org/m", nil, "main"),
    ("hf.co/org/m:Q8_0", "org/m", "Q8_0", "main"),
  ])
  func readsNames(_ text: String, _ name: String, _ variant: String?, _ revision: String) throws {
    let reference = try ModelReference(text)
    #expect(
      reference.name == name && reference.variant == variant && reference.revision == revision)
  }

  @Test(arguments: [
    "", "/", "a/", "/a", "a/b/c", "..", "a..b", "a--b", "-a", "a.", ".a/b", "a b", "a/b.git", "模型",
    "a:", "a:b:c", "a@", "a@..", "a@x/../y", "a@/x", "a@x@y", "a:b/c", "./a", "~/a",
    String(repeating: "a", count: 97), "a@x\u{0}y",
  ])
  func refusesOtherNames(_ text: String) {
    #expect(throws: HubError.self) { try ModelReference(text) }
  }

  @Test func escapesURLs() {
    #expect(HubFileName.encoded("refs/pr/1") == "refs%2Fpr%2F1")
    #expect(HubFileName.encoded("a b/你#?%.json", keeping: "/") == "a%20b/%E4%BD%A0%23%3F%25.json")
  }

  @Test func readsEntityTags() throws {
    let digits = String(repeating: "a1", count: 20)
    for tag in ["\"\(digits)\"", "W/\"\(digits)\"", digits] {
      #expect(HubDigest(entityTag: tag)?.text == digits)
    }
    for tag in ["", "\"", "\"abc\"", "\"\(digits.uppercased())\"", "\"\(digits)-3\""] {
      #expect(HubDigest(entityTag: tag) == nil)
    }
    // `git hash-object` of an empty file, and of "hello\n".
    #expect(FakeHub.Content(bytes: [], isLarge: false).hash.hasPrefix("e69de29bb2d1"))
    #expect(
      FakeHub.Content(bytes: Array("hello\n".utf8), isLarge: false).hash
        == "ce013625030ba8dba906f756967f9e9ca394464a")
  }
}
