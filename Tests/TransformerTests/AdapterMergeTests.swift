// Merged models give what the adapter beside its base gives, are whole directories of their own, and
// adapters that can't be in weights are refused.

import Compute
import Foundation
import JSON
import Testing

@testable import Checkpoints
@testable import Transformer

@Suite struct AdapterMergeTests {
  private let target = FileManager.default.temporaryDirectory.appending(
    path: "merged-\(UUID().uuidString)")

  private func merge(_ base: String, _ adapter: String) throws {
    try AdapterMerger(base: base, adapter: adapter).write(to: target.path, pool: Fixtures.pool)
  }

  private func load(_ path: String) throws -> CausalLM {
    try CausalLM.load(directory: path, scheme: .none, pool: Fixtures.pool)
  }

  @Test(arguments: AdapterFixtures.merged)
  func logitsMatchPeft(name: String) throws {
    defer { try? FileManager.default.removeItem(at: target) }
    try merge(AdapterFixtures.path("base"), AdapterFixtures.path(name))
    let golden = try AdapterFixtures.golden(name)
    let error = greatestDifference(
      try load(target.path).logits(of: golden.tokens), golden.logits)
    print("\(name), merged: largest logit error \(error)")
    #expect(error <= 1e-3)
    #expect(!FileManager.default.fileExists(atPath: target.path + ".partial-\(getpid())"))
  }

  /// Into weights that are fused or stored the other way round. The bases have 16 bits: what is lost by
  /// rounding to them is not looked at.
  @Test(
    arguments: AdapterFixtures.families.filter {
      !$0.0.hasSuffix("prompt") && !$0.0.hasSuffix("prefix")
    })
  func otherArchitectures(name: String, base: String) throws {
    defer { try? FileManager.default.removeItem(at: target) }
    let source = try ModelDirectory(copyOf: base)
    try source.convertToFloat32()
    try merge(source.path, AdapterFixtures.path(name))
    let golden = try AdapterFixtures.golden(name)
    let error = greatestDifference(
      try load(target.path).logits(of: golden.tokens), golden.logits)
    print("\(name), merged: largest logit error \(error)")
    #expect(error <= 1e-3)
  }

  /// Without its adapter's own embeddings, the model stays tied.
  @Test(arguments: [("lora", true), ("lora-embeddings", false), ("lora-saved-modules", false)])
  func tiedEndsAreUntiedWhereTheyDiffer(name: String, staysTied: Bool) throws {
    defer { try? FileManager.default.removeItem(at: target) }
    try merge(AdapterFixtures.path("base"), AdapterFixtures.path(name))
    let config = try ConfigurationFile(path: target.path + "/config.json", remedy: "")
    #expect(try config.bool("tie_word_embeddings") == staysTied)
    let checkpoint = try Checkpoint(directory: target.path)
    #expect(checkpoint.contains("lm_head.weight") == !staysTied)
    #expect(checkpoint.stored("model.norm.weight")?.elementType == .float32)
  }

  /// A base in shards and 16 bits becomes one file in 16 bits.
  @Test func elementTypesAreTheBases() throws {
    defer { try? FileManager.default.removeItem(at: target) }
    try merge(Fixtures.model("llama-gqa-tied-sharded"), AdapterFixtures.path("wide-lora"))
    let checkpoint = try Checkpoint(directory: target.path)
    #expect(checkpoint.tensorNames.allSatisfy { checkpoint.stored($0)?.elementType == .bfloat16 })
    let files = try FileManager.default.contentsOfDirectory(atPath: target.path)
    #expect(
      files.sorted() == [
        "config.json", "generation_config.json", "golden.json", "model.safetensors",
      ])
    // What no adapter changes is the same bits.
    let base = try Checkpoint(directory: Fixtures.model("llama-gqa-tied-sharded"))
    for name in ["model.norm.weight", "model.embed_tokens.weight"] {
      let (old, new) = (base.stored(name), checkpoint.stored(name))
      #expect(old?.withBytes { Array($0) } == new?.withBytes { Array($0) })
    }
  }

  @Test func aQuantisedBaseIsDequantised() throws {
    defer { try? FileManager.default.removeItem(at: target) }
    let source = Fixtures.root.appending(path: "checkpoints/quantized/llama-nf4").path
    let base = try ModelDirectory(copyOfPath: source)
    // So that nothing is lost to rounding.
    try base.set("dtype", "float32")
    let adapter = AdapterFixtures.path("nf4-lora")
    let merger = try AdapterMerger(base: base.path, adapter: adapter)
    #expect(merger.dequantized == "F32")
    try merger.write(to: target.path, pool: Fixtures.pool)
    let config = try ConfigurationFile(path: target.path + "/config.json", remedy: "")
    #expect(config["quantization_config"] == nil)
    let tokens: [Int32] = (0..<40).map { $0 * 37 % 250 }
    let model = try load(base.path)
    let beside = try model.logits(
      of: tokens, with: try model.loadAdapter(directory: adapter))
    #expect(greatestDifference(try load(target.path).logits(of: tokens), beside) <= 1e-3)
    #expect(greatestDifference(try model.logits(of: tokens), beside) >= 0.1)
  }

  /// Whose queries and keys are stored in another order. The result has 16 bits.
  @Test func aGGUFBaseBecomesADirectory() throws {
    defer { try? FileManager.default.removeItem(at: target) }
    let base = Fixtures.root.appending(path: "checkpoints/gguf/llama.gguf").path
    let adapter = AdapterFixtures.path("gguf-lora")
    try merge(base, adapter)
    let tokens: [Int32] = (0..<40).map { $0 * 37 % 250 }
    let model = try load(base)
    let beside = try model.logits(of: tokens, with: try model.loadAdapter(directory: adapter))
    #expect(greatestDifference(try load(target.path).logits(of: tokens), beside) <= 0.05)
    #expect(greatestDifference(try model.logits(of: tokens), beside) >= 1)
  }

  @Test(arguments: ["prompt", "p-tuning", "prefix"])
  func virtualTokensCannotBeMerged(name: String) {
    #expect {
      try AdapterMerger(base: AdapterFixtures.path("base"), adapter: AdapterFixtures.path(name))
    } throws: {
      "\($0)".contains("virtual tokens")
    }
  }

  @Test func aTargetThatExistsIsKept() throws {
    defer { try? FileManager.default.removeItem(at: target) }
    try FileManager.default.createDirectory(at: target, withIntermediateDirectories: false)
    #expect(throws: ModelError.self) {
      try merge(AdapterFixtures.path("base"), AdapterFixtures.path("lora"))
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: target.path).isEmpty)
  }
}
