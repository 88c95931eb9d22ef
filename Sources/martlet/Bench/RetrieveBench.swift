// `martlet bench retrieve`: milliseconds per search over many chunks with random vectors, in a
// database of its own in a temporary folder, or over vectors (`--vectors`) or words (`--texts`) alone.

import ArgumentParser
import Compute
import FoundationEssentials
import JSON
import Retrieval

struct RetrieveBenchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "retrieve", abstract: "Milliseconds per search.")

  @Option(help: "Chunks in the collection.") var chunks = 100_000
  @Option(help: "Search so many vectors alone, without texts and a database.") var vectors: Int?
  @Option(help: "Search the words of so many texts alone.") var texts: Int?
  @Option(help: "Queries of a batch, with --vectors.") var queries = 64
  @Option(help: "Numbers per vector.") var dimension = 384
  @Option(help: "Words per chunk.") var words = 85
  @Option(help: "Counted searches per mode; the median is reported.") var runs = 21
  @Option(help: "Compute threads (default: all usable cores).") var threads: Int?
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    let pool = ThreadPool(threads: threads)
    if vectors != nil || texts != nil { return try await measureParts(pool) }
    let folder =
      FileManager.default.temporaryDirectory.path
      + "/martlet-bench-\(UInt32.random(in: 0 ... .max))"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let store = try await DocumentStore.open(
      DocumentStoreConfiguration(dataDirectory: folder),
      embedder: RandomEmbedder(dimension: dimension), pool: pool)
    var report = BenchReport("retrieve", pool: pool)
    report["chunks"] = .integer(Int64(chunks))
    report["dimension"] = .integer(Int64(dimension))
    let ingest = try await Timings.measure(runs: 1, warmUps: 0) { try await fill(store) }
    report["chunks_per_second_stored"] = .rounded(Double(chunks) / ingest.median, 0)
    let queries = BenchText.zipfDocuments(count: runs + 1, words: 4)
    for mode in RetrievalMode.allCases {
      var next = queries.makeIterator()
      let timings = try await Timings.measure(runs: runs) {
        var request = RetrievalRequest(.query(next.next() ?? "river"))
        request.mode = mode
        request.topK = 10
        _ = try await store.retrieve(request)
      }
      report["\(mode.rawValue)_ms"] = .rounded(timings.median * 1000)
    }
    try await store.close()
    report.print(asJSON: json)
  }

  /// The two indexes by themselves.
  private func measureParts(_ pool: ThreadPool) async throws {
    var report = BenchReport("retrieve", pool: pool)
    if let vectors {
      let bench = VectorBench(
        count: max(1, vectors), dimension: max(1, dimension), queryCount: queries, runs: runs,
        pool: pool)
      try await bench.run(into: &report)
    }
    if let texts {
      let bench = WordBench(count: max(1, texts), words: words, runs: runs, pool: pool)
      try await bench.run(into: &report)
    }
    report.print(asJSON: json)
  }

  private func fill(_ store: DocumentStore) async throws {
    var settings = CollectionSettingsUpdate()
    settings.strategy = ChunkingStrategy.none
    _ = try await store.putCollection("default", settings)
    let texts = BenchText.zipfDocuments(count: chunks, words: words)
    for start in stride(from: 0, to: texts.count, by: 5000) {
      let batch = (start..<min(start + 5000, texts.count)).map {
        DocumentInput(id: "d\($0)", text: texts[$0])
      }
      _ = try await store.putDocuments(batch, in: "default")
    }
  }
}

/// Vectors that mean nothing: the cost of a search doesn't depend on them.
private struct RandomEmbedder: Embedder {
  let dimension: Int

  var identity: EmbedderIdentity {
    EmbedderIdentity(
      name: "random", dimension: dimension, maximumTokens: 100_000, weightHash: "none")
  }

  func tokenCount(_ text: String) -> Int { text.utf8.count / 5 }

  func embed(_ texts: [String]) async throws -> [EmbeddedText] {
    texts.map { text in
      // FNV-1a of the text starts the generator, so that the same text has the same vector.
      var state = text.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) {
        ($0 ^ UInt64($1)) &* 0x100_0000_01b3
      }
      let vector = (0..<dimension).map { _ -> Float in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Float(Int32(truncatingIfNeeded: state >> 32)) / Float(Int32.max)
      }
      return EmbeddedText(vector: vector, tokenCount: tokenCount(text), truncated: false)
    }
  }
}
