// `martlet bench speculate`: tokens per second of the engine with and without guesses at tokens to
// come, on an answer that quotes its prompt, one that does so half the time, and one that never
// does. The model's passes cost what they cost; random weights don't quote, so its logits are
// overruled where a quotation is wanted.

import ArgumentParser
import Compute
import Inference
import JSON
import Transformer

struct SpeculateBenchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "speculate", abstract: "Tokens per second with and without speculation.")

  @OptionGroup var options: ModelOptions
  @Option(help: "Tokens of the prompt.") var prompt = 256
  @Option(help: "Tokens of the answer.") var tokens = 96

  func run() async throws {
    let pool = options.makePool()
    let model = try options.load(pool: pool)
    var report = BenchReport("speculate", pool: pool)
    options.describe(model, in: &report)
    report["prompt_tokens"] = .integer(Int64(prompt))
    for quoting in Quoting.allCases {
      for speculation in [Speculation.off, .lookup] {
        let engine = try InferenceEngine(
          model: QuotingModel(model: model, period: prompt, quoting: quoting),
          configuration: EngineConfiguration(
            maximumSequences: 1, contextLength: prompt + tokens, speculation: speculation))
        var rates: [Double] = []
        // The first run warms up, and shows the engine what steps cost.
        for run in 0...options.runs {
          let rate = try await tokensPerSecond(engine, seed: UInt64(run))
          if run > 0 { rates.append(rate) }
        }
        report["\(quoting.rawValue)_\(speculation.rawValue)_tokens_per_second"] = .rounded(
          rates.sorted()[rates.count / 2])
        await engine.shutdown()
      }
    }
    report.print(asJSON: options.json)
  }

  private func tokensPerSecond(_ engine: InferenceEngine, seed: UInt64) async throws -> Double {
    let vocabulary = engine.vocabularySize
    let request = GenerationRequest(
      prompt: (0..<prompt).map { Int32(truncatingIfNeeded: ($0 &* $0 &* 7919 &+ 13) % vocabulary) },
      sampling: SamplingParameters(seed: seed), maximumTokens: tokens, ignoreEndOfSequence: true)
    for try await event in try engine.submit(request) {
      if case .finished(_, let usage) = event {
        return Double(usage.completionTokens - 1) / usage.decodeSeconds
      }
    }
    return 0
  }
}

/// How much of an answer is what the prompt says.
private enum Quoting: String, CaseIterable {
  case always, half, never

  func isQuoted(_ position: Int) -> Bool {
    switch self {
    case .always: true
    case .half: position / 32 % 2 == 0
    case .never: false
    }
  }
}

/// A model whose answer repeats the prompt, of `period` tokens.
private struct QuotingModel: LanguageModel {
  let model: CausalLM
  let period: Int
  let quoting: Quoting

  var vocabularySize: Int { model.vocabularySize }
  var contextLength: Int { model.contextLength }
  var blockSize: Int { model.blockSize }
  var kvBytesPerBlock: Int { model.kvBytesPerBlock }
  var recomputationLength: Int? { model.recomputationLength }
  var endOfSequenceTokens: Set<Int32> { [] }

  func makeKVCache(blockCount: Int) throws -> KVCache {
    try model.makeKVCache(blockCount: blockCount)
  }

  func copyBlock(from source: Int32, to target: Int32, in cache: KVCache) {
    cache.copyBlock(from: source, to: target)
  }

  func forward(
    _ batch: Batch, cache: KVCache, logits: UnsafeMutableBufferPointer<Float>
  ) throws {
    try model.forward(batch, cache: cache, logits: logits)
    var row = 0
    for span in batch.spans {
      let end = span.start + span.tokens.count
      for position in end - span.logitCount + 1..<end + 1 {
        if quoting.isQuoted(position) {
          let token = (position % period) * (position % period) * 7919 + 13
          logits[row * vocabularySize + token % vocabularySize] += 1_000
        }
        row += 1
      }
    }
  }
}
