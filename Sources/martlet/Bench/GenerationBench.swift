// `martlet bench decode|prefill`: tokens per second of the transformer alone, on a model or on
// random weights of a real model's shape.

import ArgumentParser
import Checkpoints
import Compute
import JSON
import ModelFamilies
import Quantization
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

/// Sequences side by side in a cache of their own.
struct BenchSequences {
  private let model: CausalLM
  private let cache: KVCache
  /// Of each sequence, in order of position.
  private let blocks: [[Int32]]
  /// Of each sequence; empty for the model by itself.
  private let adapters: [Adapter]

  /// - Parameter capacity: positions per sequence.
  init(model: CausalLM, count: Int = 1, capacity: Int, adapters: [Adapter] = []) throws {
    precondition(adapters.isEmpty || adapters.count == count)
    self.model = model
    self.adapters = adapters
    let blockCount = Self.blockCount(capacity)
    cache = try model.makeKVCache(blockCount: count * blockCount)
    blocks = (0..<count).map { sequence in
      (0..<blockCount).map { Int32(sequence * blockCount + $0) }
    }
  }

  /// Computes the first `context` tokens of one sequence and gives them to the others too.
  func fill(context: Int) throws {
    guard context > 0, let first = blocks.first else { return }
    try forward(blocks: [first], start: 0, count: context)
    for other in blocks.dropFirst() {
      for block in 0..<Self.blockCount(context) {
        cache.copyBlock(from: first[block], to: other[block])
      }
    }
  }

  /// Computes `count` tokens of each sequence behind its first `start`, the logits of the last ones.
  func forward(start: Int, count: Int) throws {
    try forward(blocks: blocks, start: start, count: count)
  }

  private func forward(blocks: [[Int32]], start: Int, count: Int) throws {
    let vocabulary = model.configuration.vocabularySize
    let tokens = (0..<count).map { Int32(truncatingIfNeeded: ($0 &* 7919 &+ start) % vocabulary) }
    let spans = blocks.enumerated().map { index, blocks in
      Batch.Span(
        tokens: tokens, start: start, blocks: Array(blocks.prefix(Self.blockCount(start + count))),
        logitCount: 1, adapter: adapters.isEmpty ? nil : adapters[index])
    }
    try withUnsafeTemporaryAllocation(of: Float.self, capacity: vocabulary * spans.count) {
      try model.forward(Batch(spans: spans), cache: cache, logits: $0)
    }
  }

  private static func blockCount(_ positions: Int) -> Int {
    (positions + KVCache.blockSize - 1) / KVCache.blockSize
  }
}

struct DecodeBenchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "decode", abstract: "Tokens per second, one token after the other.")

  @OptionGroup var options: ModelOptions
  @Option(help: "Tokens already in the context.") var context = 128
  @Option(help: "Tokens per run and sequence.") var tokens = 32
  @Option(help: "Sequences decoded side by side.") var batch = 1
  @Option(help: "A LoRA of this rank on all linear layers for each sequence, another for each.")
  var adapterRank: Int?

  func run() async throws {
    let pool = options.makePool()
    let model = try options.load(pool: pool)
    let count = max(1, batch)
    let adapters = try adapterRank.map { rank in
      try (0..<count).map { _ in try model.randomAdapter(rank: max(1, rank)) }
    }
    let sequences = try BenchSequences(
      model: model, count: count, capacity: context + tokens, adapters: adapters ?? [])
    try sequences.fill(context: context)
    // Before and after each run, since it changes: a run is compared with the mean of both.
    let memory = try ReadBandwidth(byteCount: 512 << 20, pool: pool)
    var (passes, timings) = ([memory.measure()], Timings())
    for run in 0..<max(1, options.runs) {
      timings += try await Timings.measure(runs: 1, warmUps: run == 0 ? 1 : 0) {
        for step in 0..<tokens { try sequences.forward(start: context + step, count: 1) }
      }
      passes.append(memory.measure())
    }
    // The weights are read once per step, whatever the batch.
    let bytes = Double(tokens * model.bytesPerDecodedToken)
    let shares = timings.seconds.indices.map { run in
      bytes / timings.seconds[run] / ((passes[run] + passes[run + 1]) / 2)
    }
    let steps = Double(tokens) / timings.median
    var report = BenchReport("decode", pool: pool)
    options.describe(model, in: &report)
    report["context"] = .integer(Int64(context))
    report["batch"] = .integer(Int64(count))
    report["adapter_rank"] = adapterRank.map { .integer(Int64($0)) }
    report["tokens_per_second"] = .rounded(steps * Double(count))
    report["step_ms"] = .rounded(1000 / steps, 3)
    report["bytes_per_token"] = .integer(Int64(model.bytesPerDecodedToken))
    report["kv_bytes_per_position"] = .integer(Int64(model.kvBytesPerBlock / KVCache.blockSize))
    report["read_bandwidth"] = .rounded(passes.median, 0)
    report["share_of_read_bandwidth"] = .rounded(shares.median, 3)
    report["fork_join_us"] = .rounded(Processor.measureForkJoin(pool: pool) * 1e6, 3)
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
    let sequence = try BenchSequences(model: model, capacity: tokens)
    let timings = try await Timings.measure(runs: options.runs) {
      try sequence.forward(start: 0, count: tokens)
    }
    var report = BenchReport("prefill", pool: pool)
    options.describe(model, in: &report)
    let rate = Double(tokens) / timings.median
    report["tokens"] = .integer(Int64(tokens))
    report["tokens_per_second"] = .rounded(rate)
    let operations = model.operationsPerPromptToken
    report["operations_per_token"] = .integer(Int64(operations))
    if let peak = Processor.measureIntegerPeak(pool: pool), let width = model.scheme.integerWidth {
      report["integer_peak"] = .rounded(peak / width, 0)
      report["share_of_integer_peak"] = .rounded(rate * Double(operations) * width / peak, 3)
    }
    report["peak_memory_bytes"] = .integer(Int64(ProcessMemory.peakByteCount ?? 0))
    report.print(asJSON: options.json)
  }
}

extension CausalLM {
  /// Multiplications and additions in the matrices, attention and the head left out.
  fileprivate var operationsPerPromptToken: Int {
    let tables = configuration.vocabularySize * configuration.hiddenSize
    return 2 * (parameterCount - tables * (configuration.tiedEmbeddings ? 1 : 2))
  }
}

extension QuantizationScheme {
  /// Bytes per activation in the scheme's products, nil for those in float.
  fileprivate var integerWidth: Double? {
    switch self {
    case .int4, .int8: 1
    case .nf4: 2
    case .none: nil
    }
  }
}
