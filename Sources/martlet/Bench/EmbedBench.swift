// `martlet bench embed`: texts and tokens per second of an embedding model, and the time of one
// short query.

import ArgumentParser
import Compute
import Inference
import JSON
import Transformer

struct EmbedBenchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "embed", abstract: "Texts per second of an embedding model.")

  @Option(help: ArgumentHelp("Model directory.", valueName: "dir"))
  var model = "Models/all-MiniLM-L6-v2"
  @Option(help: "Texts per run.") var texts = 200
  @Option(help: "Words per text.") var words = 100
  @Option(help: "float32 or bfloat16 (default: as the server).") var precision: String?
  @Option(help: "Compute threads (default: all usable cores).") var threads: Int?
  @Option(help: "Counted runs; the median is reported.") var runs = 3
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    let pool = ThreadPool(threads: threads)
    let embedder: TextEmbedder
    let precision = try precision.map(Self.precision)
    do {
      embedder = try TextEmbedder(directory: model, precision: precision, pool: pool)
    } catch {
      throw CommandFailure.configuration("\(error)")
    }
    let corpus = BenchText.documents(count: texts, words: words)
    let tokens = corpus.reduce(0) { $0 + min(embedder.tokenCount($1), embedder.maximumTokens) }
    let batch = try await Timings.measure(runs: runs) { _ = try await embedder.embed(corpus) }
    let query = try await Timings.measure(runs: 20) {
      _ = try await embedder.embed(["how long does delivery take"])
    }
    var report = BenchReport("embed", pool: pool)
    report["model"] = .string(model)
    report["precision"] = .string(precision?.rawValue ?? "default")
    report["texts_per_second"] = .rounded(Double(texts) / batch.median)
    report["tokens_per_second"] = .rounded(Double(tokens) / batch.median)
    report["tokens_per_text"] = .rounded(Double(tokens) / Double(max(1, texts)), 1)
    report["short_query_ms"] = .rounded(query.median * 1000)
    report.print(asJSON: json)
  }

  private static func precision(_ name: String) throws(CommandFailure) -> EncoderPrecision {
    guard let precision = EncoderPrecision(rawValue: name) else {
      let known = EncoderPrecision.allCases.map(\.rawValue).joined(separator: " or ")
      throw .configuration("--precision is '\(name)', expected \(known)")
    }
    return precision
  }
}
