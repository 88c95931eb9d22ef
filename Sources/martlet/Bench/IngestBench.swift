// `martlet bench ingest`: texts per second of ingesting a file of documents as `martlet ingest` does, in
// turn with the embedding model alone on the same texts. What is left between both is reading, cutting
// and storing, each part of a file synced to the disk.

import ArgumentParser
import Compute
import FoundationEssentials
import Inference
import JSON
import Server

struct IngestBenchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ingest", abstract: "Texts per second of an ingest, and of embedding alone.")

  @Option(help: ArgumentHelp("Model directory.", valueName: "dir"))
  var model = "Models/all-MiniLM-L6-v2"
  @Option(help: "Texts per run, each a document of one chunk.") var texts = 1000
  @Option(help: "Words per text.") var words = 126
  @Option(help: "Compute threads (default: all usable cores).") var threads: Int?
  @Option(help: "Counted runs of each side; the medians are reported.") var runs = 3
  @Option(help: ArgumentHelp("Where the database is made (default: temporary).", valueName: "dir"))
  var folder: String?
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    let pool = ThreadPool(threads: threads)
    let embedder: TextEmbedder
    do {
      // As the server multiplies.
      embedder = try TextEmbedder(directory: model, precision: nil, pool: pool)
    } catch {
      throw CommandFailure.configuration("\(error)")
    }
    let corpus = BenchText.documents(count: texts, words: words)
    let place = folder ?? FileManager.default.temporaryDirectory.path
    let data = place + "/martlet-bench-\(UInt32.random(in: 0 ... .max))"
    defer { try? FileManager.default.removeItem(atPath: data) }
    let api = try await open(data)
    let file = data + "/texts.jsonl"
    try Self.lines(of: corpus).write(to: URL(fileURLWithPath: file))

    let size = JSONValue.integer(Int64(corpus.map(\.count).max() ?? 1))
    let chunking: JSONValue = ["strategy": "sentences", "size": size, "overlap": 0]
    var (embedding, ingest) = (Timings(), Timings())
    for run in 0...max(1, runs) {
      let name = "run-\(run)"
      _ = try await api.call(.put, "/collections/\(name)", ["chunking": chunking])
      let alone = try await Timings.measure(runs: 1, warmUps: 0) {
        _ = try await embedder.embed(corpus)
      }
      let all = try await Timings.measure(runs: 1, warmUps: 0) {
        try await store(file, api, in: name)
      }
      // The first of each warms up.
      guard run > 0 else { continue }
      embedding += alone
      ingest += all
    }
    await api.close()
    var report = BenchReport("ingest", pool: pool)
    report["model"] = .string(model)
    report["texts"] = .integer(Int64(texts))
    report["embedding_texts_per_second"] = .rounded(Double(texts) / embedding.median)
    report["ingest_texts_per_second"] = .rounded(Double(texts) / ingest.median)
    report["share_of_embedding_rate"] = .rounded(embedding.median / ingest.median, 3)
    report.print(asJSON: json)
  }

  /// What `martlet ingest` opens, over a new data folder.
  private func open(_ data: String) async throws -> LocalClient {
    var configuration = ServerConfiguration()
    configuration.data = data
    configuration.model = "none"
    configuration.embeddingModel = model
    configuration.threads = threads
    configuration.logLevel = .warning
    return try await LocalClient.open(configuration)
  }

  private func store(_ file: String, _ api: LocalClient, in collection: String) async throws {
    let ingestion = try Ingestion(api, collection: collection, isQuiet: true)
    await ingestion.store(file: file) {
      try FileReading(fields: nil, charset: nil).documents(in: file)
    }
    let totals = await ingestion.totals
    guard totals.failures == 0, totals.documents == texts, totals.chunks == texts else {
      throw CommandFailure.failure(
        "\(texts) texts became \(totals.documents) documents of \(totals.chunks) chunks")
    }
  }

  private static func lines(of corpus: [String]) -> Data {
    var lines = Data()
    for (number, text) in corpus.enumerated() {
      let line: JSONValue = ["id": .string("\(number)"), "text": .string(text)]
      lines += line.serialized() + [UInt8(ascii: "\n")]
    }
    return lines
  }
}
