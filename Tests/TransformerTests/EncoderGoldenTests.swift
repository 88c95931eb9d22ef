// Hidden states of every family of encoders against transformers, and scores of pairs of texts by
// every classifier: ids in, numbers out. sentence_models.py's models, texts in, are InferenceTests'.

import Compute
import Foundation
import JSON
import Testing

@testable import Checkpoints
@testable import ModelFamilies
@testable import Transformer

@Suite struct EncoderGoldenTests {
  private static let tolerance: Float = 1e-4

  @Test(arguments: [
    "encoder-roberta", "encoder-xlm-roberta", "encoder-distilbert", "encoder-mpnet",
    "encoder-modernbert", "encoder-nomic",
  ])
  func hiddenStatesMatchTransformers(name: String) throws {
    let golden = try Fixtures.json("models/\(name)/golden.json")
    let data = try Data(contentsOf: Fixtures.root.appending(path: "models/\(name)/hidden.bin"))
    let expected = data.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    let encoder = try TextEncoder.load(directory: Fixtures.model(name), pool: Fixtures.pool)
    let sequences = try #require(golden["sequences"]?.array).map { try Golden.integers($0) }
    #expect(encoder.maximumTokens >= sequences.map(\.count).max() ?? 0)
    let states = try sequences.flatMap { try encoder.hiddenStates($0) }
    #expect(states.count == expected.count)
    let error = greatestDifference(states, expected)
    print("\(name): largest error of a hidden state \(error)")
    #expect(error <= Self.tolerance)
    // Side by side as alone.
    let together = try encoder.embed(sequences)
    for (sequence, vector) in zip(sequences, together) {
      #expect(identical(try encoder.embed([sequence])[0], vector))
    }
  }

  /// transformers 5 writes ModernBERT's configuration with other keys than the hub's files have.
  @Test func theNewKeysMeanTheSame() throws {
    let directory = try ModelDirectory(copyOf: "encoder-modernbert")
    for key in ["global_attn_every_n_layers", "global_rope_theta", "local_rope_theta"] {
      try directory.set(key, nil)
    }
    let (full, sliding): (JSONValue, JSONValue) = ("full_attention", "sliding_attention")
    try directory.set("layer_types", [full, sliding, sliding, full])
    try directory.set(
      "rope_parameters",
      [
        "full_attention": ["rope_type": "default", "rope_theta": 160_000],
        "sliding_attention": ["rope_type": "default", "rope_theta": 10_000],
      ])
    let old = try TextEncoder.load(
      directory: Fixtures.model("encoder-modernbert"), pool: Fixtures.pool)
    let new = try TextEncoder.load(directory: directory.path, pool: Fixtures.pool)
    let text = (0..<100).map { Int32($0 % 128) }
    #expect(identical(try old.hiddenStates(text), try new.hiddenStates(text)))
  }

  @Test(arguments: [
    "pair-bert", "pair-xlm-roberta", "pair-distilbert", "pair-mpnet", "pair-modernbert",
  ])
  func pairsHaveTheScoresOfTransformers(name: String) throws {
    let golden = try Fixtures.json("models/\(name)/golden.json")
    let directory = try ModelDirectory(copyOf: name)
    let pairs = try #require(golden["pairs"]?.array).map { pair in
      EncoderInput(
        ids: try Golden.integers(pair["ids"]),
        types: try Golden.integers(pair["types"]).map { UInt8($0) })
    }
    let logits = try #require(golden["logits"]?.array).map { Float(try #require($0.double)) }
    // sentence-transformers' default is the sigmoid.
    let sigmoid = try CrossEncoder.load(directory: directory.path, pool: Fixtures.pool)
    let probabilities = logits.map { 1 / (1 + Foundation.exp(-$0)) }
    #expect(greatestDifference(try sigmoid.scores(pairs), probabilities) <= 1e-5)
    try directory.set(
      "sbert_ce_default_activation_function", "torch.nn.modules.linear.Identity")
    let plain = try CrossEncoder.load(directory: directory.path, pool: Fixtures.pool)
    let error = greatestDifference(try plain.scores(pairs), logits)
    print("\(name): largest error of a logit \(error)")
    #expect(error <= Self.tolerance)
    let alone = try pairs.map { try plain.scores([$0])[0] }
    #expect(identical(alone, try plain.scores(pairs)))
  }

  @Test func modelsWithNormsInFrontKeepFloat32() throws {
    func preferred(_ name: String) throws -> EncoderPrecision {
      let file = try ConfigurationFile(
        path: Fixtures.model(name) + "/config.json", remedy: "part of the fixtures")
      return .preferred(for: try EncoderFamily.of(file).configuration(file))
    }
    #expect(try preferred("encoder-modernbert") == .float32)
    #expect(try (preferred("encoder-mpnet") == .bfloat16) == kernels.multiplies_pairs)
  }

  /// Hidden states are of size 1 here, and attention is more peaked than in real models.
  @Test(
    .enabled(if: kernels.multiplies_pairs, "no AVX512-BF16 here"),
    arguments: ["encoder-roberta", "encoder-mpnet", "encoder-modernbert", "encoder-nomic"])
  func bfloat16IsNear(name: String) throws {
    let exact = try TextEncoder.load(directory: Fixtures.model(name), pool: Fixtures.pool)
    let rounded = try TextEncoder.load(
      directory: Fixtures.model(name), precision: .bfloat16, pool: Fixtures.pool)
    var random = SplitMix(state: 3)
    let texts = (0..<20).map { _ in
      (0..<Int.random(in: 1...60, using: &random)).map { _ in
        Int32.random(in: 2..<128, using: &random)
      }
    }
    let (expected, vectors) = (try exact.embed(texts), try rounded.embed(texts))
    var lowest: Float = 1
    for (left, right) in zip(expected, vectors) {
      func product(_ x: [Float], _ y: [Float]) -> Float { zip(x, y).reduce(0) { $0 + $1.0 * $1.1 } }
      lowest = min(
        lowest, product(left, right) / (product(left, left) * product(right, right)).squareRoot())
    }
    print("\(name): lowest cosine of bfloat16 to float32 \(lowest)")
    #expect(lowest > 0.999)
    let alone = try texts.map { try rounded.embed([$0])[0] }
    #expect(zip(alone, vectors).allSatisfy { identical($0, $1) })
  }

  /// Heads of 32 values, so that texts stay in pairs: near the reference, however texts are put
  /// together and however many threads share them.
  @Test(
    .enabled(if: kernels.multiplies_pairs, "no AVX512-BF16 here"),
    arguments: [("encoder-roberta", "num_attention_heads"), ("encoder-distilbert", "n_heads")])
  func textsInPairsAreNear(name: String, heads: String) throws {
    let directory = try ModelDirectory(copyOf: name)
    try directory.set(heads, 2)
    let exact = try TextEncoder.load(directory: directory.path, pool: Fixtures.pool)
    var random = SplitMix(state: 4)
    let texts = (0..<40).map { _ in
      (0..<Int.random(in: 0...60, using: &random)).map { _ in
        Int32.random(in: 2..<128, using: &random)
      }
    }
    let expected = try exact.embed(texts)
    var first: [[Float]] = []
    for threads in 1...3 {
      let rounded = try TextEncoder.load(
        directory: directory.path, precision: .bfloat16, pool: ThreadPool(threads: threads))
      #expect(rounded.keepsPairs)
      let vectors = try rounded.embed(texts)
      if first.isEmpty { first = vectors }
      #expect(zip(first, vectors).allSatisfy { identical($0, $1) })
      let alone = try texts.map { try rounded.embed([$0])[0] }
      #expect(zip(alone, vectors).allSatisfy { identical($0, $1) })
    }
    for (left, right) in zip(expected, first) where left.contains(where: { $0 != 0 }) {
      func product(_ x: [Float], _ y: [Float]) -> Float { zip(x, y).reduce(0) { $0 + $1.0 * $1.1 } }
      #expect(
        product(left, right) / (product(left, left) * product(right, right)).squareRoot() > 0.999)
    }
  }

  /// With its head in config.json or without, and with or without what stands before layers' names.
  @Test func decodersAreKnownByEitherName() throws {
    let directory = try ModelDirectory(copyOf: "sentence-decoder")
    let text = (0..<30).map { Int32($0 * 7) }
    let first = try TextEncoder.load(directory: directory.path, pool: Fixtures.pool)
    #expect(first.maximumTokens == 40)
    try directory.set("architectures", ["Qwen3Model"])
    try directory.editHeader { header in
      for (name, value) in header where name != "__metadata__" {
        header[name] = nil
        header["model." + name] = value
      }
    }
    let second = try TextEncoder.load(directory: directory.path, pool: Fixtures.pool)
    #expect(identical(try first.embed([text])[0], try second.embed([text])[0]))
    let together = try first.embed([text, Array(text.prefix(3)), text])
    #expect(identical(together[2], try first.embed([text])[0]))
  }

  @Test func onlyModelsOfPairsAreRerankers() throws {
    func refusal(_ directory: ModelDirectory) -> String {
      do throws(ModelError) {
        _ = try CrossEncoder.load(directory: directory.path, pool: Fixtures.pool)
        return ""
      } catch { return "\(error)" }
    }
    #expect(refusal(try ModelDirectory(copyOf: "encoder-roberta")).contains("RobertaForMaskedLM"))
    let several = try ModelDirectory(copyOf: "pair-bert")
    try several.set("id2label", ["0": "a", "1": "b"])
    #expect(refusal(several).contains("2 labels"))
    try several.set("id2label", nil)
    #expect(refusal(several).contains("2 labels"))
    let strange = try ModelDirectory(copyOf: "pair-bert")
    try strange.set("sentence_transformers", ["activation_fn": "torch.nn.Softplus"])
    #expect(refusal(strange).contains("Softplus"))
  }

  @Test(
    arguments: [
      ("encoder-roberta", "max_position_embeddings", 2),
      ("encoder-mpnet", "relative_attention_num_buckets", 16),
      ("encoder-mpnet", "hidden_act", "relu"), ("encoder-distilbert", "activation", "relu"),
      ("encoder-modernbert", "layer_types", ["full_attention"]),
      ("encoder-modernbert", "layer_types", ["a", "b", "c", "d"]),
      ("encoder-modernbert", "hidden_activation", "silu"),
      ("encoder-modernbert", "rope_scaling", ["rope_type": "yarn"]),
      ("encoder-modernbert", "local_attention", 0), ("encoder-nomic", "prenorm", true),
      ("encoder-nomic", "num_experts", 8), ("encoder-nomic", "rotary_emb_fraction", 0.5),
      ("encoder-nomic", "mlp_fc2_bias", true), ("encoder-nomic", "activation_function", "gelu"),
      ("encoder-nomic", "n_head", 3), ("encoder-nomic", "n_head", 64),
    ] as [(String, String, JSONValue)])
  func whatThereIsNoCodeForIsRefused(model: String, key: String, value: JSONValue) throws {
    let directory = try ModelDirectory(copyOf: model)
    try directory.set(key, value)
    let error = try #require(directory.encoderError())
    #expect("\(error)".contains("config.json: \(key)"), "\(error)")
  }

  /// Frequencies are scaled only beyond the length that the model was trained with.
  @Test func scaledFrequenciesEndTheTextsBeforeThem() throws {
    let directory = try ModelDirectory(copyOf: "encoder-nomic")
    try directory.set("rotary_scaling_factor", 2)
    try directory.set("max_trained_positions", 100)
    let encoder = try TextEncoder.load(directory: directory.path, pool: Fixtures.pool)
    #expect(encoder.maximumTokens == 100)
  }
}
