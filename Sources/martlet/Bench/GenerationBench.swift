// `martlet bench decode|prefill`: tokens per second of the transformer alone, on a model or on
// random weights of a real model's shape.

import ArgumentParser
import Compute
import JSON
import Server
import Transformer

struct ModelOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Model directory.", valueName: "dir")) var model: String?
  @Option(help: "Random weights of a real model's shape: tinyllama-1.1b, qwen2.5-0.5b, llama-2-7b.")
  var shape: String?
  @Option(help: "none, int8, int4 or nf4.") var quantize = "int4"
  @Option(help: "Compute threads (default: all usable cores).") var threads: Int?
  @Option(help: "Counted runs; the median is reported.") var runs = 5
  @Flag(help: "Print JSON.") var json = false

  func makePool() -> ThreadPool { ThreadPool(threads: threads) }

  func load(pool: ThreadPool) throws(CommandFailure) -> CausalLM {
    guard let scheme = QuantizationScheme(rawValue: quantize) else {
      throw .configuration("--quantize is '\(quantize)'; expected none, int8, int4 or nf4")
    }
    let shape = try modelShape()
    do throws(ModelError) {
      if let shape { return try .random(shape: shape, scheme: scheme, pool: pool) }
      return try .load(directory: model ?? "", scheme: scheme, pool: pool)
    } catch {
      throw .configuration("\(error)")
    }
  }

  /// nil where a model directory was given.
  private func modelShape() throws(CommandFailure) -> ModelShape? {
    guard (model == nil) != (shape == nil) else {
      throw .configuration("give either --model DIR or --shape NAME")
    }
    guard let shape else { return nil }
    guard let known = ModelShape(rawValue: shape) else {
      let names = ModelShape.allCases.map(\.rawValue).joined(separator: ", ")
      throw .configuration("--shape is '\(shape)'; expected one of \(names)")
    }
    return known
  }

  func describe(_ model: CausalLM, in report: inout BenchReport) {
    report["model"] = .string(self.model ?? shape ?? "")
    report["scheme"] = .string(model.scheme.rawValue)
    report["parameters"] = .integer(Int64(model.parameterCount))
    report["weight_bytes"] = .integer(Int64(model.weightByteCount))
  }
}

/// One sequence in a cache of its own.
struct BenchSequence {
  private let model: CausalLM
  private let cache: KVCache
  private let blocks: [Int32]

  init(model: CausalLM, capacity: Int) throws {
    self.model = model
    let blockCount = (capacity + KVCache.blockSize - 1) / KVCache.blockSize
    cache = try model.makeKVCache(blockCount: blockCount)
    blocks = (0..<Int32(blockCount)).map { $0 }
  }

  /// Computes `count` tokens behind the first `start`, the logits of the last one.
  func forward(start: Int, count: Int) throws {
    let vocabulary = model.configuration.vocabularySize
    let tokens = (0..<count).map { Int32(truncatingIfNeeded: ($0 &* 7919 &+ start) % vocabulary) }
    let used = (start + count + KVCache.blockSize - 1) / KVCache.blockSize
    let span = Batch.Span(
      tokens: tokens, start: start, blocks: Array(blocks.prefix(used)), logitCount: 1)
    try withUnsafeTemporaryAllocation(of: Float.self, capacity: vocabulary) { logits in
      try model.forward(Batch(spans: [span]), cache: cache, logits: logits)
    }
  }
}

struct DecodeBenchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "decode", abstract: "Tokens per second, one token after the other.")

  @OptionGroup var options: ModelOptions
  @Option(help: "Tokens already in the context.") var context = 128
  @Option(help: "Tokens per run.") var tokens = 32

  func run() async throws {
    let pool = options.makePool()
    let model = try options.load(pool: pool)
    let sequence = try BenchSequence(model: model, capacity: context + tokens)
    if context > 0 { try sequence.forward(start: 0, count: context) }
    let timings = try await Timings.measure(runs: options.runs) {
      for step in 0..<tokens { try sequence.forward(start: context + step, count: 1) }
    }
    let bandwidth = try Processor.measureReadBandwidth(byteCount: 1 << 30, pool: pool)
    let rate = Double(tokens) / timings.median
    var report = BenchReport("decode", pool: pool)
    options.describe(model, in: &report)
    report["context"] = .integer(Int64(context))
    report["tokens_per_second"] = .rounded(rate)
    report["bytes_per_token"] = .integer(Int64(model.bytesPerDecodedToken))
    report["read_bandwidth"] = .rounded(bandwidth, 0)
    report["share_of_read_bandwidth"] = .rounded(
      rate * Double(model.bytesPerDecodedToken) / bandwidth, 3)
    report["peak_memory_bytes"] = .integer(Int64(ProcessMemory.peakByteCount ?? 0))
    report.print(asJSON: options.json)
  }
}

struct PrefillBenchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prefill", abstract: "Tokens per second of a prompt.")

  @OptionGroup var options: ModelOptions
  @Option(help: "Tokens of the prompt.") var tokens = 512

  func run() async throws {
    let pool = options.makePool()
    let model = try options.load(pool: pool)
    let sequence = try BenchSequence(model: model, capacity: tokens)
    let timings = try await Timings.measure(runs: options.runs) {
      try sequence.forward(start: 0, count: tokens)
    }
    var report = BenchReport("prefill", pool: pool)
    options.describe(model, in: &report)
    report["tokens"] = .integer(Int64(tokens))
    report["tokens_per_second"] = .rounded(Double(tokens) / timings.median)
    report["peak_memory_bytes"] = .integer(Int64(ProcessMemory.peakByteCount ?? 0))
    report.print(asJSON: options.json)
  }
}
