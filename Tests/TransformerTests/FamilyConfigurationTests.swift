// What families read from config.json beyond what their golden models have: defaults of transformers'
// classes, files of both generations, and refusals that name the key.

import Foundation
import JSON
import Testing

@testable import Checkpoints
@testable import ModelFamilies
@testable import Transformer

@Suite struct FamilyConfigurationTests {
  private func read(_ architecture: String, _ members: JSONObject) throws -> CausalLMConfiguration {
    var root: JSONObject = [
      "architectures": [.string(architecture)], "vocab_size": 256, "hidden_size": 64,
      "intermediate_size": 192, "num_hidden_layers": 6, "num_attention_heads": 4,
      "num_key_value_heads": nil,
    ]
    root.merge(members, uniquingKeysWith: { _, new in new })
    let file = ConfigurationFile(path: "config.json", root: root)
    return try ModelFamily.of(file).configuration(file)
  }

  private func refusal(_ architecture: String, _ members: JSONObject) throws -> String {
    "\(try #require(throws: ModelError.self) { try read(architecture, members) })"
  }

  @Test func windowsAreWhereTheClassHasThem() throws {
    #expect(try read("MistralForCausalLM", [:]).layers.allSatisfy { $0.window == 4096 })
    #expect(
      try read("MistralForCausalLM", ["sliding_window": nil]).layers.allSatisfy { $0.window == nil }
    )
    let unused = try read("Qwen2ForCausalLM", ["sliding_window": 8, "use_sliding_window": false])
    #expect(unused.layers.allSatisfy { $0.window == nil })
    let upper = try read(
      "Qwen2ForCausalLM",
      ["sliding_window": 8, "use_sliding_window": true, "max_window_layers": 4])
    #expect(upper.layers.map(\.window) == [nil, nil, nil, nil, 8, 8])
    let gemma2 = try read("Gemma2ForCausalLM", ["sliding_window": 8])
    #expect(gemma2.layers.map(\.window) == [8, nil, 8, nil, 8, nil])
    #expect(gemma2.attentionSoftCap == 50 && gemma2.logitSoftCap == 30)
    let gemma3 = try read("Gemma3ForCausalLM", ["sliding_window": 8])
    #expect(gemma3.layers.map(\.window) == [8, 8, 8, 8, 8, nil])
    #expect(gemma3.layers.map(\.rotary) == [1, 1, 1, 1, 1, 0])
    #expect(gemma3.rotary.map(\.base) == [1_000_000, 10_000])
    #expect(gemma3.attentionSoftCap == nil && gemma3.attentionScale == 1 / 16)
  }

  @Test func theTextPartOfAModelThatSeesImagesHasTheClassesDefaults() throws {
    let file = ConfigurationFile(
      path: "config.json",
      root: [
        "architectures": ["Gemma3ForConditionalGeneration"],
        "text_config": [
          "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34,
          "sliding_window": 1024, "rope_scaling": ["factor": 8.0, "rope_type": "linear"],
        ],
      ])
    let c = try ModelFamily.of(file).configuration(file)
    #expect(c.vocabularySize == 262_208 && c.headCount == 8 && c.keyValueHeadCount == 4)
    #expect(c.headDimension == 256 && c.layerCount == 34 && c.tiedEmbeddings)
    #expect(c.rotary.map(\.scaling) == [.linear(factor: 8), .none])
  }

  @Test func someLayersAreNotRotated() throws {
    let usual = try read("SmolLM3ForCausalLM", [:])
    #expect(usual.layers.map(\.rotary) == [0, 0, 0, nil, 0, 0])
    let listed = try read("SmolLM3ForCausalLM", ["no_rope_layers": [1, 0, 1, 0, 1, 0]])
    #expect(listed.layers.map(\.rotary) == [0, nil, 0, nil, 0, nil])
  }

  @Test func baichuanHasSlopesWhereItHasNoPositions() throws {
    let small = try read("BaichuanForCausalLM", ["max_position_embeddings": 4096])
    #expect(small.scoreSlopes == nil && small.layers.allSatisfy { $0.rotary == 0 })
    let large = try read(
      "BaichuanForCausalLM",
      ["model_max_length": 4096, "num_attention_heads": 12, "hidden_size": 96])
    #expect(large.contextLength == 4096 && large.layers.allSatisfy { $0.rotary == nil })
    let powers = (1...8).map { Float(1) / Float(1 << $0) }
    let between = [0, 2, 4, 6].map { powers[0].squareRoot() / Float(1 << ($0 / 2)) }
    let slopes = try #require(large.scoreSlopes)
    #expect(greatestDifference(slopes, powers + between) < 1e-6 && slopes.count == 12)
  }

  @Test func qwen1EndsWhereItsTrainingDid() throws {
    let c = try read(
      "QWenLMHeadModel", ["max_position_embeddings": 32768, "seq_length": 2048, "kv_channels": 16])
    #expect(c.contextLength == 2048 && c.intermediateSize == 96 && c.queryKeyValueBias)
  }

  /// ChatGLM3 widens the base by it, ChatGLM2 divides positions, which isn't reproduced.
  @Test func ropeRatiosAreOfOneGeneration() throws {
    let members: JSONObject = ["num_layers": 2, "rope_ratio": 16]
    #expect(try read("ChatGLMModel", members).rotary[0].base == 160_000)
    var older = members
    older["_name_or_path"] = "THUDM/chatglm2-6b-32k"
    #expect(try refusal("ChatGLMModel", older).contains("rope_ratio"))
  }

  @Test func expertsAreWhereTheClassHasThem() throws {
    let c = try read(
      "Qwen2MoeForCausalLM",
      ["num_experts": 8, "decoder_sparse_step": 2, "mlp_only_layers": [3]])
    #expect(c.layers.map(\.hasExperts) == [false, true, false, false, false, true])
    #expect(c.experts?.sharedIntermediateSize == 5632 && c.experts?.normalizesWeights == false)
    #expect(try read("MixtralForCausalLM", [:]).experts?.count == 8)
  }

  /// transformers' formula, token by token.
  @Test func dynamicScalingFollowsThePosition() throws {
    let c = try read(
      "LlamaForCausalLM",
      ["max_position_embeddings": 100, "rope_scaling": ["type": "dynamic", "factor": 2]])
    let rotary = c.rotary[0]
    #expect(rotary.scaling == .dynamic(factor: 2, originalContext: 100))
    #expect(rotary.inverseFrequencies(position: 99, length: 500) == nil)
    let scaled = try #require(rotary.inverseFrequencies(position: 149, length: 150))
    let base = 10_000 * pow(2 * 150 / 100.0 - 1, 16 / 14.0)
    let exact = (0..<8).map { Float(pow(base, -Double($0) / 8)) }
    #expect(greatestDifference(scaled, exact) < 1e-6)
  }

  @Test func longFactorsHoldForWholeSequences() throws {
    let c = try read(
      "Phi3ForCausalLM",
      [
        "max_position_embeddings": 1024, "original_max_position_embeddings": 64,
        "rope_scaling": [
          "type": "su", "short_factor": [1, 1, 1, 1, 1, 1, 1, 1],
          "long_factor": [2, 2, 2, 2, 2, 2, 2, 2],
        ],
      ])
    let rotary = c.rotary[0]
    #expect(rotary.lengthLimit == 64)
    #expect(rotary.inverseFrequencies(position: 3, length: 64) == nil)
    #expect(rotary.inverseFrequencies(position: 3, length: 65)?.first == 0.5)
    #expect(abs(rotary.magnitude - (1 + 4 / Float(6)).squareRoot()) < 1e-6)
  }

  @Test(
    arguments: [
      ("StableLmForCausalLM", "qk_layernorm", true),
      ("Gemma3ForCausalLM", "use_bidirectional_attention", true),
      ("Gemma2ForCausalLM", "layer_types", ["full_attention"]),
      ("Qwen3ForCausalLM", "hidden_act", "relu"),
      ("GPT2LMHeadModel", "scale_attn_by_inverse_layer_idx", true),
      ("GPT2LMHeadModel", "add_cross_attention", true),
      ("SmolLM3ForCausalLM", "no_rope_layers", [1, 2]),
      ("MixtralForCausalLM", "num_experts_per_tok", 9),
      ("BaichuanForCausalLM", "num_key_value_heads", 2),
      ("ChatGLMModel", "rmsnorm", false),
      ("QWenLMHeadModel", "no_bias", false),
      ("LlamaForCausalLM", "rope_scaling", ["type": "mrope"]),
      ("Phi3ForCausalLM", "rope_scaling", ["type": "longrope", "short_factor": [1]]),
    ] as [(String, String, JSONValue)])
  func whatThereIsNoCodeForIsRefusedByName(_ architecture: String, key: String, value: JSONValue)
    throws
  {
    var members: JSONObject = [key: value]
    if architecture == "ChatGLMModel" { members["num_layers"] = 2 }
    let text = try refusal(architecture, members)
    #expect(text.contains("config.json: ") && text.contains(key))
  }

  @Test func rowsAreSelected() {
    let slice = RowSelection.slice(start: 4, count: 3, of: 9)
    #expect((0..<3).map(slice.storedRow) == [4, 5, 6])
    #expect(
      slice.isWithin(count: 3) && !RowSelection.slice(start: 7, count: 3, of: 9).isWithin(count: 3))
    let heads = RowSelection(storedCount: 18, start: 2, run: 2, stride: 6)
    #expect((0..<6).map(heads.storedRow) == [2, 3, 8, 9, 14, 15])
    let pairs = RowSelection(storedCount: 12, run: 6, stride: 6, interleaved: 4)
    #expect((0..<12).map(pairs.storedRow) == [0, 2, 1, 3, 4, 5, 6, 8, 7, 9, 10, 11])
  }

  /// As save_pretrained writes GPT-2, and as a model that sees images too has its text part.
  @Test(arguments: [("gpt2", "transformer."), ("gemma3", "language_model.")])
  func namesMayHaveAPrefix(name: String, prefix: String) throws {
    let tokens = Array(try Golden(name).tokens.prefix(20))
    let directory = try ModelDirectory(copyOf: name)
    try directory.editHeader { header in
      header = JSONObject(
        uniqueKeysWithValues: header.map { ($0 == "__metadata__" ? $0 : prefix + $0, $1) })
    }
    if prefix == "language_model." {
      let text = try JSONValue(parsing: directory.read("config.json"))
      let whole: JSONValue = [
        "architectures": ["Gemma3ForConditionalGeneration"], "text_config": text,
        "vision_config": ["hidden_size": 8],
      ]
      try directory.write("config.json", whole.serialized())
    }
    let model = try CausalLM.load(directory: directory.path, scheme: .none, pool: Fixtures.pool)
    #expect(identical(try model.logits(of: tokens), try Fixtures.load(name).logits(of: tokens)))
  }
}
