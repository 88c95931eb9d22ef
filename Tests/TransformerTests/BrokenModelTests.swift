// Model directories with something missing or wrong: each gives an error that names the file, the
// key or tensor, and a remedy.

import Foundation
import JSON
import Testing

@testable import Checkpoints
@testable import ModelFamilies
@testable import Transformer

@Suite struct BrokenModelTests {
  private func llama() throws -> ModelDirectory { try ModelDirectory(copyOf: "llama-mha-untied") }

  private func sharded() throws -> ModelDirectory {
    try ModelDirectory(copyOf: "llama-gqa-tied-sharded")
  }

  @Test func missingDirectoriesAndFilesAreNamed() throws {
    let nowhere = "/nonexistent/model"
    let absent = #expect(throws: ModelError.self) {
      try CausalLM.load(directory: nowhere, scheme: .none, pool: Fixtures.pool)
    }
    #expect(absent == .missingDirectory(path: nowhere))
    #expect(throws: ModelError.missingDirectory(path: nowhere)) {
      try TextEncoder.load(directory: nowhere, pool: Fixtures.pool)
    }
    for file in ["config.json", "model.safetensors"] {
      let directory = try llama()
      try directory.remove(file)
      guard case .missingFile(let path, _) = directory.loadError() else {
        Issue.record("\(file): \(String(describing: directory.loadError()))")
        continue
      }
      #expect(path == directory.path + "/" + file)
    }
  }

  @Test func missingShardsAndTensorsAreNamed() throws {
    let lacking = try sharded()
    try lacking.remove("model-00002-of-00003.safetensors")
    let error = try #require(lacking.loadError())
    #expect("\(error)".contains("model-00002-of-00003.safetensors: no such file"))

    let renamed = try llama()
    try renamed.editHeader { header in
      header["model.layers.1.mlp.other.weight"] = header.removeValue(
        forKey: "model.layers.1.mlp.up_proj.weight")
    }
    #expect(
      renamed.loadError()
        == .missingTensor(
          name: "model.layers.1.mlp.up_proj.weight", path: renamed.path + "/model.safetensors"))

    let index = try sharded()
    try index.set(
      "weight_map",
      [
        "model.norm.weight": "model-00001-of-00003.safetensors",
        "x": "model-00001-of-00003.safetensors",
      ],
      in: Checkpoint.indexName)
    #expect(try #require(index.loadError()).description.contains("is missing"))
  }

  @Test(arguments: ["../model-00001-of-00003.safetensors", "/etc/passwd", "", "a\u{0}b"])
  func shardsOutsideOfTheDirectoryAreRefused(name: String) throws {
    let directory = try sharded()
    try directory.set("weight_map", ["x": .string(name)], in: Checkpoint.indexName)
    let error = try #require(directory.loadError())
    #expect("\(error)".contains("weight_map.x: it must name a file in the same directory"))
  }

  @Test func wrongTypesAndShapesAreNamed() throws {
    let name = "model.norm.weight"
    let integers = try llama()
    try integers.editHeader { header in
      var entry = try #require(header[name]?.object)
      entry["dtype"] = "I32"
      header[name] = .object(entry)
    }
    #expect(
      integers.loadError()
        == .unsupportedElementType(
          tensor: name, path: integers.path + "/model.safetensors", found: "I32"))

    let shape = try llama()
    try shape.editHeader { header in
      var entry = try #require(header[name]?.object)
      entry["shape"] = [8, 8]
      header[name] = .object(entry)
    }
    #expect(
      shape.loadError()
        == .unexpectedShape(
          tensor: name, path: shape.path + "/model.safetensors", expected: [64], found: [8, 8]))

    let wider = try llama()
    try wider.set("vocab_size", 257)
    guard
      case .unexpectedShape("model.embed_tokens.weight", _, [257, 64], [256, 64]) =
        wider.loadError()
    else {
      Issue.record("\(String(describing: wider.loadError()))")
      return
    }
  }

  @Test func unknownArchitecturesAreListedWithTheKnownOnes() throws {
    let directory = try llama()
    try directory.set("architectures", ["MambaForCausalLM"])
    let error = try #require(directory.loadError())
    #expect(
      "\(error)".contains("unknown architecture MambaForCausalLM; known ones: "))
    try directory.set("architectures", nil)
    #expect(try #require(directory.loadError()).description.contains("architectures"))

    let encoder = try ModelDirectory(copyOf: "bert-mean")
    try encoder.set("model_type", "t5")
    #expect(
      try #require(encoder.encoderError()).description
        .contains("unknown architecture t5; known ones: bert"))
  }

  @Test(arguments: [
    "", "{", "[]", "3", "{\"architectures\": [\"LlamaForCausalLM\"]}", "\u{FEFF}{}",
  ])
  func malformedConfigurationsAreRefused(text: String) throws {
    let directory = try llama()
    try directory.write("config.json", text)
    let error = try #require(directory.loadError())
    #expect("\(error)".contains(directory.path + "/config.json: "))
  }

  @Test(
    arguments: [
      ("hidden_size", 0), ("hidden_size", -64), ("hidden_size", 1_099_511_627_776),
      ("hidden_size", "64"),
      ("hidden_size", 64.5), ("hidden_size", nil), ("num_hidden_layers", 0),
      ("num_hidden_layers", 4_611_686_018_427_387_904),
      ("num_attention_heads", 3), ("num_attention_heads", 0),
      ("num_key_value_heads", 3), ("num_key_value_heads", 8), ("vocab_size", 0),
      ("intermediate_size", -1), ("head_dim", 15), ("head_dim", 0), ("rms_norm_eps", -1.0),
      ("rms_norm_eps", "small"), ("max_position_embeddings", 0), ("rope_theta", 0),
      ("rope_theta", -10000.0), ("rope_scaling", 3), ("rope_scaling", ["rope_type": "yarn"]),
      ("rope_scaling", ["rope_type": "linear"]),
      ("rope_scaling", ["rope_type": "linear", "factor": 0]),
      (
        "rope_scaling",
        [
          "rope_type": "llama3", "factor": 8, "low_freq_factor": 4,
          "high_freq_factor": 4, "original_max_position_embeddings": 64,
        ]
      ),
      ("hidden_act", "relu"), ("tie_word_embeddings", "yes"), ("eos_token_id", "</s>"),
      ("eos_token_id", [1, -2]), ("eos_token_id", 1_099_511_627_776),
      ("partial_rotary_factor", 0.01),
      ("quantization_config", ["quant_method": "gptq"]),
    ] as [(String, JSONValue?)])
  func absurdNumbersAreRefused(key: String, value: JSONValue?) throws {
    let directory = try llama()
    try directory.set(key, value)
    let error = try #require(directory.loadError())
    // Keys within rope_scaling are named with their path; heads that don't divide by either key.
    #expect("\(error)".contains(key.hasPrefix("num_") ? "num_" : key), "\(error)")
    #expect("\(error)".hasPrefix(directory.path + "/config.json: "))
  }

  @Test(
    arguments: [
      ("temperature", -1), ("temperature", "hot"), ("top_p", 1.5), ("top_k", -1), ("min_p", 2),
      ("repetition_penalty", 0), ("max_new_tokens", 0), ("eos_token_id", ["a"]),
    ] as [(String, JSONValue)])
  func absurdGenerationDefaultsAreRefused(key: String, value: JSONValue) throws {
    let directory = try llama()
    try directory.set(key, value, in: GenerationDefaults.fileName)
    let error = try #require(directory.loadError())
    #expect("\(error)".contains("generation_config.json: \(key): "))
  }

  @Test func aModelBeyondMemoryIsRefusedBeforeItIsAllocated() throws {
    var configuration = ModelShape.llama2Seven.configuration
    configuration.layers = Array(repeating: .init(), count: 1024)
    configuration.hiddenSize = 1 << 17
    configuration.intermediateSize = 1 << 19
    do throws(ModelError) {
      _ = try CausalLM.random(configuration: configuration, scheme: .none, pool: Fixtures.pool)
      Issue.record("loaded")
    } catch {
      guard case .insufficientMemory(_, let required, _) = error else {
        Issue.record("\(error)")
        return
      }
      #expect(required > 1 << 40)
    }
  }

  @Test func aKVCacheBeyondMemoryIsRefused() throws {
    let model = try Fixtures.load("llama-mha-untied")
    for count in [Int.max, Int.max / model.kvBytesPerBlock] {
      #expect(throws: ModelError.self) { try model.makeKVCache(blockCount: count) }
    }
  }
}

@Suite struct BrokenEncoderTests {
  private func bert() throws -> ModelDirectory { try ModelDirectory(copyOf: "bert-mean") }

  @Test(arguments: [
    ("modules.json", "{}", "list of modules"), ("modules.json", "[]", "list of modules"),
    ("modules.json", "[3]", "lacks its type"),
    ("modules.json", #"[{"type":"a.Transformer","path":""}]"#, "no pooling module"),
    ("modules.json", #"[{"type":"a.Transformer","path":"../x"}]"#, "outside"),
    ("modules.json", #"[{"type":"a.Transformer","path":"/etc"}]"#, "outside"),
    (
      "modules.json",
      #"[{"type":"a.Transformer","path":""},{"type":"sentence_transformers.models.LSTM","path":""}]"#,
      "models.LSTM, which is not supported"
    ),
    (
      "modules.json",
      #"[{"type":"a.Transformer","path":""},{"type":"a.Pooling","path":"1_Pooling"},{"type":"a.Dense","path":"none"}]"#,
      "none/config.json: no such file"
    ),
    ("modules.json", #"[{"type":"a.Pooling","path":"1_Pooling"}]"#, "not supported"),
    ("1_Pooling/config.json", #"{"pooling_mode":"splade"}"#, "splade"),
    ("1_Pooling/config.json", #"{"pooling_mode":["cls",3]}"#, "3, which is not supported"),
    ("1_Pooling/config.json", #"{"pooling_mode":[]}"#, "no mode"),
    ("config_sentence_transformers.json", #"{"prompts":{"a":5}}"#, "prompts.a"),
    ("config_sentence_transformers.json", #"{"default_prompt_name":"b"}"#, "none of the prompts"),
    ("1_Pooling/config.json", #"{"pooling_mode_cls_token":1}"#, "not true or false"),
    ("sentence_bert_config.json", #"{"max_seq_length":0}"#, "max_seq_length"),
    ("sentence_bert_config.json", "nonsense", "is not JSON"),
  ])
  func brokenLayoutsAreRefused(file: String, text: String, expected: String) throws {
    let directory = try bert()
    try directory.write(file, text)
    let error = try #require(directory.encoderError())
    #expect("\(error)".contains(expected) && "\(error)".contains(directory.path), "\(error)")
  }

  @Test(
    arguments: [
      ("hidden_size", 0), ("hidden_size", 65), ("num_attention_heads", 5), ("vocab_size", nil),
      ("max_position_embeddings", -1), ("type_vocab_size", 0), ("hidden_act", "gelu_new"),
      ("position_embedding_type", "relative_key"), ("is_decoder", true), ("layer_norm_eps", 2.0),
    ] as [(String, JSONValue?)])
  func absurdConfigurationsAreRefused(key: String, value: JSONValue?) throws {
    let directory = try bert()
    try directory.set(key, value)
    let error = try #require(directory.encoderError())
    #expect("\(error)".contains("config.json: "), "\(error)")
  }

  @Test(
    arguments: [
      ("in_features", 159), ("out_features", 0), ("activation_function", "torch.nn.Softplus"),
      ("use_residual", true), ("module_input_name", "token_embeddings"), ("bias", "yes"),
    ] as [(String, JSONValue)])
  func denseModulesBeyondOursAreRefused(key: String, value: JSONValue) throws {
    let directory = try ModelDirectory(copyOf: "sentence-modules")
    try directory.set(key, value, in: "2_Dense/config.json")
    let error = try #require(directory.encoderError())
    #expect("\(error)".contains("2_Dense/config.json: \(key)"), "\(error)")
  }

  @Test func missingTensorsAreNamed() throws {
    let directory = try bert()
    try directory.set("num_hidden_layers", 3)
    #expect(
      directory.encoderError()
        == .missingTensor(
          name: "encoder.layer.2.attention.self.query.weight",
          path: directory.path + "/model.safetensors"))
  }
}
