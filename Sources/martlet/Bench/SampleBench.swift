// `martlet bench sample`: microseconds to choose a token from a row of logits, without a model. The
// logits are normally distributed, which spreads the probability wider than language does: a
// nucleus holds hundreds of tokens where a trained model's holds a few.

import ArgumentParser
import Compute
import Glibc
import Inference
import JSON

struct SampleBenchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sample", abstract: "Microseconds to choose a token.")

  @Option(help: "Logits per token.") var vocabulary = 151_936
  @Option(help: "Standard deviation of the logits.") var deviation: Float = 3
  @Option(help: "Tokens in the history that penalties look at.") var history = 1_024
  @Option(help: "Tokens per run.") var tokens = 64
  @Option(help: "Counted runs; the median is reported.") var runs = 5
  @Flag(help: "Print JSON.") var json = false

  private static let settings: [(name: String, parameters: SamplingParameters)] = [
    ("greedy", SamplingParameters(temperature: 0)),
    ("temperature", SamplingParameters(temperature: 1, seed: 1)),
    ("temperature_top_p", SamplingParameters(temperature: 0.7, topP: 0.9, seed: 1)),
    ("top_k", SamplingParameters(temperature: 0.7, topK: 40, seed: 1)),
    ("top_k_top_p", SamplingParameters(temperature: 0.7, topP: 0.9, topK: 40, seed: 1)),
    ("min_p", SamplingParameters(temperature: 0.7, minP: 0.05, seed: 1)),
    (
      "repetition_penalty",
      SamplingParameters(temperature: 0.7, topP: 0.9, repetitionPenalty: 1.1, seed: 1)
    ),
  ]

  func run() async throws {
    guard vocabulary > 0, history >= 0, tokens > 0 else {
      throw CommandFailure.configuration("--vocabulary and --tokens must be above 0")
    }
    // As many rows as a full batch has, so that they come from where a forward pass leaves them.
    let rows = NormalLogits(deviation: deviation).rows(count: 8, width: vocabulary)
    let past = TokenHistory(
      prompt: (0..<history).map { Int32(truncatingIfNeeded: $0 &* 7919 % vocabulary) })
    // Sampling runs on one thread.
    var report = BenchReport("sample", pool: ThreadPool(threads: 1))
    report["vocabulary"] = .integer(Int64(vocabulary))
    for (name, parameters) in Self.settings {
      let sampler = Sampler(parameters, seed: 1)
      var scratch = SamplingScratch()
      report["\(name)_us"] = try await microseconds { position in
        _ = try rows[position % rows.count].withUnsafeBufferPointer {
          try sampler.sample($0, history: past, position: position, scratch: &scratch)
        }
      }
    }
    report["logprobs_20_us"] = try await microseconds { position in
      _ = try rows[position % rows.count].withUnsafeBufferPointer {
        try TokenLogprobs($0).describe(1, alternatives: 20)
      }
    }
    report.print(asJSON: json)
  }

  /// Per call of `body`, which gets the number of the call.
  private func microseconds(_ body: (Int) throws -> Void) async throws -> JSONValue {
    let timings = try await Timings.measure(runs: runs) {
      for position in 0..<tokens { try body(position) }
    }
    return .rounded(timings.median / Double(tokens) * 1e6, 1)
  }
}

/// Normally distributed numbers, the same on every run.
private struct NormalLogits {
  let deviation: Float
  private var state: UInt64 = 42

  init(deviation: Float) { self.deviation = deviation }

  func rows(count: Int, width: Int) -> [[Float]] {
    var source = self
    return (0..<count).map { _ in (0..<width).map { _ in source.next() } }
  }

  /// The Box-Muller transform of two uniform numbers.
  private mutating func next() -> Float {
    let (u, v) = (uniform(), uniform())
    return deviation * sqrtf(-2 * logf(1 - u)) * cosf(2 * .pi * v)
  }

  private mutating func uniform() -> Float {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Float(state >> 40) / Float(1 << 24)
  }
}
