// `martlet bench ...`: speed of this build on this machine, each figure with what it was measured on.
// Medians of several runs; read bandwidth is measured in the same run.

import ArgumentParser
import Compute
import JSON
import Server
import Transformer

struct BenchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure speed, and what quantising costs.",
    subcommands: [
      DecodeBenchCommand.self, PrefillBenchCommand.self, ServeBenchCommand.self,
      EmbedBenchCommand.self, IngestBenchCommand.self, RetrieveBenchCommand.self,
      SampleBenchCommand.self, SpeculateBenchCommand.self, PerplexityBenchCommand.self,
      TokenizeBenchCommand.self,
    ])
}

/// What a measurement says of itself.
struct BenchReport {
  private(set) var facts: JSONObject

  init(_ benchmark: String, pool: ThreadPool) {
    facts = [
      "benchmark": .string(benchmark), "version": .string(Martlet.version),
      "cpu": .string(Processor.modelName), "isa": .string(Processor.isa),
      "threads": .integer(Int64(pool.threadCount)),
    ]
  }

  subscript(_ key: String) -> JSONValue? {
    get { facts[key] }
    set { facts[key] = newValue }
  }

  /// One `key: value` per line, or a JSON object.
  func print(asJSON: Bool) {
    if asJSON {
      Terminal.print(JSONValue.object(facts).description)
    } else {
      for (key, value) in facts { Terminal.print("\(key): \(value.string ?? value.description)") }
    }
  }
}

/// Seconds of each of several runs, after a warm-up that isn't counted.
struct Timings {
  private(set) var seconds: [Double] = []

  /// - Parameter runs: counted runs.
  static func measure(runs: Int, warmUps: Int = 1, _ body: () async throws -> Void) async rethrows
    -> Timings
  {
    var timings = Timings()
    let clock = ContinuousClock()
    for run in 0..<(warmUps + max(1, runs)) {
      let start = clock.now
      try await body()
      let (seconds, attoseconds) = (clock.now - start).components
      if run >= warmUps { timings.seconds.append(Double(seconds) + Double(attoseconds) * 1e-18) }
    }
    return timings
  }

  static func += (left: inout Timings, right: Timings) { left.seconds += right.seconds }

  var median: Double { seconds.median }
}

extension [Double] {
  /// Of at least one value.
  var median: Double {
    let sorted = sorted()
    let middle = count / 2
    return count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}

extension JSONValue {
  /// Rounded for reading.
  static func rounded(_ value: Double, _ digits: Int = 2) -> JSONValue {
    let factor = (0..<digits).reduce(1.0) { product, _ in product * 10 }
    return .double((value * factor).rounded() / factor)
  }
}
