// PEFT adapters applied to a model against peft's own logits in float32, and what must not change:
// other rows of the batch, and rows of the same adapter in other company.

import Compute
import Foundation
import Quantization
import Testing

@testable import Transformer

enum AdapterFixtures {
  static let root = Fixtures.root.appending(path: "adapters")
  /// Those whose golden logits are computed by mixing the adapter into a batch.
  static let applied = [
    "lora", "lora-patterns", "lora-selected", "lora-expression", "lora-embeddings",
    "lora-saved-modules", "dora", "ia3", "prompt", "p-tuning", "prefix",
  ]
  /// Those that become a model of their own.
  static let merged = [
    "lora", "lora-patterns", "lora-selected", "lora-expression", "lora-embeddings",
    "lora-saved-modules", "lora-saved-norms", "dora", "ia3",
  ]
  /// On models of other architectures.
  static let families = [
    ("gpt2-lora", "gpt2"), ("gpt2-ia3", "gpt2"), ("gpt2-prompt", "gpt2"),
    ("gpt-neox-dora", "gpt-neox"), ("phi3-dora", "phi3"), ("phi3-ia3", "phi3"),
    ("gemma2-lora", "gemma2"), ("gemma2-prompt", "gemma2"), ("granite-prompt", "granite"),
    ("qwen2-prefix", "qwen2"),
  ]
  static let wide = ["wide-lora", "wide-dora", "wide-ia3", "wide-prefix"]

  static func path(_ name: String) -> String { root.appending(path: name).path }

  static func base(_ scheme: QuantizationScheme = .none) throws -> CausalLM {
    try CausalLM.load(directory: path("base"), scheme: scheme, pool: Fixtures.pool)
  }

  /// What peft computed in float32: tokens, and logits [tokens][V].
  static func golden(_ name: String) throws -> (tokens: [Int32], logits: [Float]) {
    let golden = try Fixtures.json("adapters/\(name)/golden.json")
    let data = try Data(contentsOf: root.appending(path: "\(name)/logits.bin"))
    return (
      try Golden.integers(golden["tokens"]),
      data.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    )
  }
}

extension CausalLM {
  /// Logits of every token of a text, with an adapter's virtual tokens in front of it.
  func logits(of tokens: [Int32], with adapter: Adapter, chunk: Int = .max) throws -> [Float] {
    let virtual = Array(repeating: Adapter.virtualToken, count: adapter.virtualTokenCount)
    let all = virtual + tokens
    let cache = try makeKVCache(blockCount: all.count / KVCache.blockSize + 1)
    let blocks = Array(0..<Int32(cache.blockCount))
    var logits: [Float] = []
    var start = 0
    while start < all.count {
      let end = min(all.count, start + min(chunk, all.count))
      let wanted = max(0, end - max(start, virtual.count))
      logits += try run(
        [
          .init(
            tokens: Array(all[start..<end]), start: start, blocks: blocks, logitCount: wanted,
            adapter: adapter)
        ], cache: cache)
      start = end
    }
    return logits
  }
}

@Suite struct AdapterGoldenTests {
  @Test(arguments: AdapterFixtures.applied)
  func logitsMatchPeft(name: String) throws {
    let golden = try AdapterFixtures.golden(name)
    let model = try AdapterFixtures.base()
    let adapter = try model.loadAdapter(directory: AdapterFixtures.path(name))
    let logits = try model.logits(of: golden.tokens, with: adapter)
    #expect(logits.count == golden.logits.count)
    let error = greatestDifference(logits, golden.logits)
    print("\(name): largest logit error \(error)")
    #expect(error <= 1e-3)
  }

  /// Fused and transposed weights, scaled embeddings, learnt positions.
  @Test(arguments: AdapterFixtures.families)
  func logitsOfOtherArchitecturesMatchPeft(name: String, base: String) throws {
    let golden = try AdapterFixtures.golden(name)
    let model = try Fixtures.load(base)
    let adapter = try model.loadAdapter(directory: AdapterFixtures.path(name))
    let logits = try model.logits(of: golden.tokens, with: adapter)
    let error = greatestDifference(logits, golden.logits)
    print("\(name): largest logit error \(error)")
    #expect(error <= 1e-3)
    #expect(identical(try model.logits(of: golden.tokens, with: adapter, chunk: 7), logits))
  }

  @Test(arguments: AdapterFixtures.applied, QuantizationScheme.allCases)
  func chunksChangeNoBit(name: String, scheme: QuantizationScheme) throws {
    let tokens = try AdapterFixtures.golden(name).tokens
    let model = try AdapterFixtures.base(scheme)
    let adapter = try model.loadAdapter(directory: AdapterFixtures.path(name))
    let whole = try model.logits(of: tokens, with: adapter)
    for chunk in [1, 7, 33] {
      let logits = try model.logits(of: tokens, with: adapter, chunk: chunk)
      #expect(identical(logits, whole), "chunks of \(chunk)")
    }
  }

  /// The base and all adapters side by side give what each gives alone, bit for bit.
  @Test(arguments: QuantizationScheme.allCases)
  func companionsChangeNoBit(scheme: QuantizationScheme) throws {
    let model = try AdapterFixtures.base(scheme)
    try checkCompanions(
      model,
      try AdapterFixtures.applied.map { try model.loadAdapter(directory: AdapterFixtures.path($0)) }
    )
    let wide = try Fixtures.load("llama-gqa-tied-sharded", scheme)
    try checkCompanions(
      wide,
      try AdapterFixtures.wide.map { try wide.loadAdapter(directory: AdapterFixtures.path($0)) })
  }

  private func checkCompanions(_ model: CausalLM, _ adapters: [Adapter]) throws {
    let texts = (0...adapters.count).map { index in
      (0..<[5, 40, 1, 33][index % 4]).map { Int32(($0 * 37 + index * 11) % 250) }
    }
    // The base first, in the middle and last.
    let choices: [Adapter?] = [nil] + adapters.map(Optional.some)
    let order = Array(choices.indices) + [0]
    let cache = try model.makeKVCache(blockCount: 3 * order.count)
    var spans: [Batch.Span] = []
    for (place, index) in order.enumerated() {
      let virtual = choices[index]?.virtualTokenCount ?? 0
      let tokens = Array(repeating: Adapter.virtualToken, count: virtual) + texts[index]
      spans.append(
        .init(
          tokens: tokens, start: 0, blocks: (0..<3).map { Int32(3 * place + $0) },
          logitCount: texts[index].count, adapter: choices[index]))
    }
    var together = try model.run(spans, cache: cache)[...]
    for index in order {
      let alone =
        if let adapter = choices[index] {
          try model.logits(of: texts[index], with: adapter)
        } else {
          try model.logits(of: texts[index])
        }
      #expect(identical(Array(together.prefix(alone.count)), alone), "sequence \(index)")
      together = together.dropFirst(alone.count)
    }
  }

  @Test func everyLoadHasAnIdOfItsOwn() throws {
    let model = try AdapterFixtures.base()
    let ids = try (0..<3).map { _ in
      try model.loadAdapter(directory: AdapterFixtures.path("lora")).id
    }
    #expect(Set(ids).count == 3 && !ids.contains(0))
  }

  @Test func normsTrainedInFullAreForMergingOnly() throws {
    let model = try AdapterFixtures.base()
    #expect {
      try model.loadAdapter(directory: AdapterFixtures.path("lora-saved-norms"))
    } throws: {
      "\($0)".contains("layernorm in full") && "\($0)".contains("martlet merge")
    }
  }
}
