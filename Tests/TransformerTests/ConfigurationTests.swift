// What is read from sound configurations: both generations of keys, defaults, lists, limits, and the
// rule that only Families knows families.

import Foundation
import JSON
import Testing

@testable import Checkpoints
@testable import ModelFamilies
@testable import Transformer

@Suite struct ConfigurationTests {
  private func llama(_ members: JSONObject) throws -> CausalLMConfiguration {
    var root: JSONObject = [
      "vocab_size": 256, "hidden_size": 64, "intermediate_size": 192, "num_hidden_layers": 2,
      "num_attention_heads": 4,
    ]
    root.merge(members, uniquingKeysWith: { _, new in new })
    return try ModelFamily.llama.configuration(ConfigurationFile(path: "config.json", root: root))
  }

  @Test func bothGenerationsOfRotaryKeysAreRead() throws {
    let scaling: JSONValue = [
      "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
      "original_max_position_embeddings": 8192,
    ]
    let old = try llama(["rope_theta": 500000.0, "rope_scaling": scaling])
    var parameters = try #require(scaling.object)
    parameters["rope_theta"] = 500000
    let new = try llama(["rope_parameters": .object(parameters)])
    let expected = RotaryEmbedding(
      width: 16, base: 500_000,
      scaling: .llama3(
        factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192))
    #expect(old.rotary == [expected])
    #expect(new.rotary == [expected])
    let oldest = try llama(["rope_scaling": ["type": "linear", "factor": 2]])
    #expect(
      oldest.rotary == [RotaryEmbedding(width: 16, base: 10_000, scaling: .linear(factor: 2))])
    let absent = try llama(["rope_scaling": nil, "rope_theta": nil])
    #expect(absent.rotary == [RotaryEmbedding(width: 16, base: 10_000, scaling: .none)])
  }

  @Test func absentKeysHaveTransformersDefaults() throws {
    let configuration = try llama([:])
    #expect(configuration.keyValueHeadCount == 4 && configuration.headDimension == 16)
    #expect(configuration.contextLength == 2048)
    #expect(configuration.normalization == .rms(epsilon: 1e-6))
    #expect(!configuration.tiedEmbeddings && !configuration.queryKeyValueBias)
    #expect(configuration.bosTokenID == 1 && configuration.eosTokenIDs == [2])
    #expect(try llama(["eos_token_id": nil]).eosTokenIDs == [])
    #expect(try llama(["eos_token_id": [7, 9]]).eosTokenIDs == [7, 9])
    let wide = try llama(["head_dim": 32])
    #expect(wide.headDimension == 32 && wide.attentionScale == 1 / Float(32).squareRoot())
  }

  @Test func generationDefaultsReplaceEndTokensAndIgnoreDoSample() throws {
    let first = try Fixtures.load("llama-mha-untied").configuration
    #expect(first.generationDefaults.temperature == 0.6)
    #expect(first.generationDefaults.topP == 0.9 && first.generationDefaults.topK == 40)
    #expect(first.generationDefaults.minP == nil && first.eosTokenIDs == [2])
    let second = try Fixtures.load("llama-rope-llama3").configuration
    #expect(second.generationDefaults.minP == 0.05)
    #expect(second.generationDefaults.repetitionPenalty == 1.05)
    #expect(second.eosTokenIDs == [2, 3, 4])
    let directory = try ModelDirectory(copyOf: "llama-mha-untied")
    try directory.set("eos_token_id", [11, 12], in: GenerationDefaults.fileName)
    #expect(try CausalLM.configuration(directory: directory.path).eosTokenIDs == [11, 12])
    try directory.remove(GenerationDefaults.fileName)
    let without = try CausalLM.configuration(directory: directory.path)
    #expect(without.eosTokenIDs == [2] && without.generationDefaults == GenerationDefaults())
  }

  @Test func aLimitLowersTheContextAndNeverRaisesIt() throws {
    let directory = Fixtures.model("llama-mha-untied")
    for (limit, expected) in [(100, 100), (10_000, 512), (0, 1), (-5, 1)] {
      let model = try CausalLM.load(
        directory: directory, scheme: .none, contextLimit: limit, pool: Fixtures.pool)
      #expect(model.configuration.contextLength == expected)
    }
  }

  @Test func onlyFamiliesKnowFamilies() throws {
    let sources = Fixtures.root.appending(path: "../../Sources/Transformer").standardized
    let files = try #require(
      FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil))
    let family = try Regex(#"\bis(Llama|Bert|Gemma|Qwen|Mistral|Phi)|ForCausalLM"#)
    var checked = 0
    for case let file as URL in files where file.pathExtension == "swift" {
      let text = try String(contentsOf: file, encoding: .utf8)
      #expect(text.firstMatch(of: family) == nil, "\(file.lastPathComponent)")
      checked += 1
    }
    #expect(checked > 20)
  }
}
