// Adapters of other models, and settings that would change what comes out but that nothing here
// computes, are refused with the first thing that is wrong by its name.

import Foundation
import JSON
import Testing

@testable import Checkpoints
@testable import Transformer

@Suite struct AdapterRefusalTests {
  private func refusal(_ directory: String, of model: CausalLM) -> String? {
    do throws(ModelError) {
      _ = try model.loadAdapter(directory: directory)
      return nil
    } catch {
      return "\(error)"
    }
  }

  private func expectRefusal(
    of name: String = "lora", naming parts: String..., edit: (ModelDirectory) throws -> Void
  ) throws {
    let directory = try ModelDirectory(copyOfPath: AdapterFixtures.path(name))
    try edit(directory)
    let message = refusal(directory.path, of: try AdapterFixtures.base())
    for part in parts { #expect(message?.contains(part) == true, "\(message ?? "accepted")") }
  }

  private static let config = "adapter_config.json"

  @Test(
    arguments: [
      ("peft_type", "LOHA"), ("task_type", "SEQ_CLS"), ("use_qalora", true),
      ("alora_invocation_tokens", [1, 2]), ("layer_replication", [[0, 1]]),
      ("trainable_token_indices", [3]), ("target_parameters", ["w"]),
      ("init_lora_weights", "pissa_niter_4"), ("init_lora_weights", "olora"),
      ("kasa_config", ["beta": 1]), ("arrow_config", ["top_k": 3]), ("some_new_option", 1),
      ("bias", "sometimes"), ("megatron_config", ["a": 1]),
    ] as [(String, JSONValue)])
  func whatIsNotComputed(key: String, value: JSONValue) throws {
    try expectRefusal(naming: key) { try $0.set(key, value, in: Self.config) }
  }

  /// New options that are off change nothing.
  @Test(arguments: [.null, false, [], [:]] as [JSONValue])
  func whatIsOffIsNoMatter(value: JSONValue) throws {
    let directory = try ModelDirectory(copyOfPath: AdapterFixtures.path("lora"))
    try directory.set("some_new_option", value, in: Self.config)
    #expect(refusal(directory.path, of: try AdapterFixtures.base()) == nil)
  }

  @Test func malformedSettings() throws {
    for (key, value) in [
      ("r", 0), ("r", "4"), ("lora_alpha", "x"), ("target_modules", "(q_proj"),
      ("target_modules", [1]), ("rank_pattern", ["q_proj": "x"]), ("rank_pattern", ["(": 2]),
      ("rank_pattern", ["q_proj": 0]), ("layers_to_transform", "x"), ("exclude_modules", "["),
      ("target_modules", nil),
    ] as [(String, JSONValue?)] {
      try expectRefusal(naming: key) { try $0.set(key, value, in: Self.config) }
    }
  }

  @Test func otherRanksThanTheConfigurationSays() throws {
    try expectRefusal(naming: "down_proj.lora_A.weight", "[4, 96]", "[5, 96]") {
      try $0.set("r", 5, in: Self.config)
    }
  }

  @Test func magnitudesAndBiasesAreAsTheConfigurationSays() throws {
    try expectRefusal(of: "dora", naming: "use_dora") {
      try $0.set("use_dora", false, in: Self.config)
    }
    try expectRefusal(naming: "use_dora") { try $0.set("use_dora", true, in: Self.config) }
    try expectRefusal(of: "lora-selected", naming: "lora_bias") {
      try $0.set("lora_bias", false, in: Self.config)
    }
  }

  @Test func weightsThatTheConfigurationLeavesOut() throws {
    try expectRefusal(naming: "target_modules", "down_proj") {
      try $0.set("target_modules", ["q_proj", "v_proj"], in: Self.config)
    }
  }

  @Test func weightsThatAreMissing() throws {
    try expectRefusal(of: "lora-selected", naming: "model.layers.0.mlp.down_proj") {
      try $0.set("layers_to_transform", [0, 1], in: Self.config)
    }
    try expectRefusal(naming: "peft's save_pretrained") {
      try $0.remove("adapter_model.safetensors")
      try $0.remove(Self.config)
    }
  }

  @Test func foreignTensors() throws {
    for (name, part) in [
      ("base_model.model.model.layers.0.mlp.up_proj.lora_C.weight", "lora_C"),
      ("up_proj.lora_A.weight", "up_proj.lora_A.weight"),
      ("base_model.model.model.layers.0.mlp.up_proj.ia3_l", "lora_A"),
      ("base_model.model.model.layers.0.mlp.up_proj.lora_embedding_A", "lora_A"),
    ] {
      try expectRefusal(naming: part) { directory in
        try directory.editHeader(of: "adapter_model.safetensors") { header in
          let own = "base_model.model.model.layers.0.mlp.up_proj.lora_A.weight"
          header[name] = header.removeValue(forKey: own)
        }
      }
    }
  }

  @Test func modulesThatTheModelHasNot() throws {
    try expectRefusal(naming: "it changes model.layers.9.mlp.up_proj") { directory in
      try directory.editHeader(of: "adapter_model.safetensors") { header in
        for name in header.keys where name.contains("layers.0.mlp.up_proj") {
          let other = name.replacing("layers.0", with: "layers.9")
          header[other] = header.removeValue(forKey: name)
        }
      }
    }
  }

  /// Of the language model in a larger one.
  @Test func whatStandsBeforeTheLayersIsNoMatter() throws {
    let directory = try ModelDirectory(copyOfPath: AdapterFixtures.path("lora-expression"))
    try directory.editHeader(of: "adapter_model.safetensors") { header in
      for name in header.keys where name.contains(".layers.") {
        let other = name.replacing("model.layers", with: "model.language_model.layers")
        header[other] = header.removeValue(forKey: name)
      }
    }
    let golden = try AdapterFixtures.golden("lora-expression")
    let model = try AdapterFixtures.base()
    let adapter = try model.loadAdapter(directory: directory.path)
    let logits = try model.logits(of: golden.tokens, with: adapter)
    #expect(greatestDifference(logits, golden.logits) <= 1e-3)
  }

  @Test func anotherModelsAdapter() throws {
    let wide = refusal(AdapterFixtures.path("wide-lora"), of: try AdapterFixtures.base())
    #expect(wide?.contains("layers.0.mlp.down_proj.lora_A.weight has shape [8, 256]") == true)
    #expect(wide?.contains("ask for [8, 96]") == true, "\(wide ?? "")")
    let model = try Fixtures.load("llama-gqa-tied-sharded")
    let prompt = refusal(AdapterFixtures.path("prompt"), of: model)
    #expect(prompt?.contains("prompt_embeddings has shape [9, 64]") == true, "\(prompt ?? "")")
    let ends = refusal(AdapterFixtures.path("lora-saved-modules"), of: model)
    #expect(ends?.contains("vocabulary of 256") == true, "\(ends ?? "accepted")")
  }

  @Test func virtualTokensThatAreNotEncoded() throws {
    try expectRefusal(of: "p-tuning", naming: "prompt_encoder", "save_pretrained") { directory in
      try directory.editHeader(of: "adapter_model.safetensors") { header in
        header["prompt_encoder.default.embedding.weight"] = header.removeValue(
          forKey: "prompt_embeddings")
      }
    }
  }

  @Test func virtualTokensThatFillTheContext() throws {
    for (limit, isRefused) in [(9, true), (10, false)] {
      let model = try CausalLM.load(
        directory: AdapterFixtures.path("base"), scheme: .none, contextLimit: limit,
        pool: Fixtures.pool)
      let message = refusal(AdapterFixtures.path("prompt"), of: model)
      #expect((message?.contains("9 virtual tokens") == true) == isRefused, "\(message ?? "")")
    }
  }

  @Test func numbersThatAreNone() throws {
    try expectRefusal(naming: "I32") { directory in
      try directory.editHeader(of: "adapter_model.safetensors") { header in
        let name = try #require(header.keys.first { $0.hasSuffix("lora_A.weight") })
        var entry = try #require(header[name]?.object)
        entry["dtype"] = "I32"
        header[name] = .object(entry)
      }
    }
  }
}
