// The committed checkpoints and goldens of Tests/Fixtures, and what tests do with models again and
// again: run a batch, compare logits, build a broken directory out of a sound one.

import Compute
import Foundation
import JSON
import Quantization
import Testing

@testable import Transformer

enum Fixtures {
  static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Fixtures")

  static let llamas = [
    "llama-mha-untied", "llama-mha-tied", "llama-gqa-tied-sharded", "llama-rope-llama3",
    "llama-rope-linear", "llama-head-dimension", "llama-bias",
  ]

  /// Of all other decoder families, and of Llama what those lack.
  static let otherFamilies = [
    "llama-rope-yarn", "llama-rope-dynamic", "mistral", "qwen2", "qwen2-tied", "qwen3", "gemma",
    "gemma2", "gemma3", "phi3", "phi3-long", "smollm3", "granite", "olmo2", "stablelm",
    "stablelm-parallel", "gpt2", "gpt-neox", "mixtral", "qwen2-moe", "qwen3-moe", "qwen",
    "baichuan2-7b", "baichuan2-13b", "chatglm3",
  ]
  static let decoders = llamas + otherFamilies

  static let pool = ThreadPool(threads: 2, niceness: 0)

  static func model(_ name: String) -> String { root.appending(path: "models/\(name)").path }

  static func json(_ path: String) throws -> JSONValue {
    try JSONValue(parsing: [UInt8](Data(contentsOf: root.appending(path: path))))
  }

  static func load(_ name: String, _ scheme: QuantizationScheme = .none) throws -> CausalLM {
    try CausalLM.load(directory: model(name), scheme: scheme, pool: pool)
  }
}

/// What transformers computed for a fixture in float32.
struct Golden {
  let tokens: [Int32]
  let continuation: [Int32]
  /// [tokens][V]
  let logits: [Float]

  init(_ name: String) throws {
    let golden = try Fixtures.json("models/\(name)/golden.json")
    tokens = try Self.integers(golden["tokens"])
    continuation = try Self.integers(golden["continuation"])
    let data = try Data(contentsOf: Fixtures.root.appending(path: "models/\(name)/logits.bin"))
    logits = data.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
  }

  static func integers(_ value: JSONValue?) throws -> [Int32] {
    try #require(value?.array).map { Int32(try #require($0.int)) }
  }
}

extension CausalLM {
  /// Logits [wanted rows][V] of a batch.
  func run(_ spans: [Batch.Span], cache: KVCache) throws -> [Float] {
    let batch = Batch(spans: spans)
    var logits = [Float](repeating: .nan, count: batch.logitCount * configuration.vocabularySize)
    try logits.withUnsafeMutableBufferPointer { try forward(batch, cache: cache, logits: $0) }
    return logits
  }

  /// Logits of every token of one sequence, computed in chunks of the given size.
  func logits(of tokens: [Int32], chunk: Int = .max, blocks: [Int32]? = nil) throws -> [Float] {
    let count = (tokens.count + KVCache.blockSize - 1) / KVCache.blockSize
    let blocks = blocks ?? Array(0..<Int32(count))
    let cache = try makeKVCache(blockCount: Int(blocks.max() ?? 0) + 1)
    var logits: [Float] = []
    var start = 0
    while start < tokens.count {
      let end = min(tokens.count, start + min(chunk, tokens.count))
      logits += try run(
        [
          .init(
            tokens: Array(tokens[start..<end]), start: start, blocks: blocks,
            logitCount: end - start, sequenceLength: tokens.count)
        ],
        cache: cache)
      start = end
    }
    return logits
  }

  /// The most likely next tokens, one after the other, through the KV cache.
  func greedy(_ prompt: [Int32], count: Int) throws -> [Int32] {
    let blocks = Array(0..<Int32((prompt.count + count) / KVCache.blockSize + 1))
    let cache = try makeKVCache(blockCount: blocks.count)
    var result: [Int32] = []
    var (next, start) = (prompt, 0)
    for _ in 0..<count {
      let row = try run([.init(tokens: next, start: start, blocks: blocks)], cache: cache)
      start += next.count
      let best = try #require(row.indices.max { row[$0] < row[$1] })
      result.append(Int32(best))
      next = [Int32(best)]
    }
    return result
  }
}

func greatestDifference(_ a: some Sequence<Float>, _ b: some Sequence<Float>) -> Float {
  zip(a, b).reduce(0) {
    let difference = abs($1.0 - $1.1)
    // A NaN on one side is infinitely far from a number on the other.
    return max($0, difference.isNaN ? .infinity : difference)
  }
}

/// Equal bit for bit: NaN would equal NaN, and 0 differs from -0.
func identical(_ a: [Float], _ b: [Float]) -> Bool {
  a.map(\.bitPattern) == b.map(\.bitPattern)
}

/// A numbers source of its own: the same in every run and on every machine.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
