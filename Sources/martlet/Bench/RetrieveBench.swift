// `martlet bench retrieve`: milliseconds per search over many chunks with random vectors, in a
// database of its own in a temporary folder, which is then opened again; or over vectors (`--vectors`) or words (`--texts`) alone.

import ArgumentParser
import Compute
import Documents
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
  @Flag(help: "Search with filters, too, that let 50, 10 and 1 % of the chunks pass.")
  var filtered = false
  @Option(help: "Keep the database in this folder, or search the one that is there.")
  var data: String?
  @Option(help: "Compute threads (default: all usable cores).") var threads: Int?
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    let pool = ThreadPool(threads: threads)
    if vectors != nil || texts != nil { return try await measureParts(pool) }
    let folder =
      data ?? FileManager.default.temporaryDirectory.path
      + "/martlet-bench-\(UInt32.random(in: 0 ... .max))"
    defer { if data == nil { try? FileManager.default.removeItem(atPath: folder) } }
    var report = BenchReport("retrieve", pool: pool)
    try await measureStore(folder, pool, into: &report)
    try await measureOpening(folder, pool, into: &report)
    report.print(asJSON: json)
  }

  private func open(_ folder: String, _ pool: ThreadPool) async throws -> DocumentStore {
    try await DocumentStore.open(
      DocumentStoreConfiguration(dataDirectory: folder),
      embedder: RandomEmbedder(dimension: dimension), pool: pool)
  }

  private func measureStore(
    _ folder: String, _ pool: ThreadPool, into report: inout BenchReport
  ) async throws {
    let store = try await open(folder, pool)
    if store.statistics.chunks == 0 {
      let ingest = try await Timings.measure(runs: 1, warmUps: 0) { try await fill(store) }
      report["chunks_per_second_stored"] = .rounded(Double(chunks) / ingest.median, 0)
    }
    report["chunks"] = .integer(Int64(store.statistics.chunks))
    report["dimension"] = .integer(Int64(dimension))
    let queries = BenchText.zipfDocuments(count: runs, words: 4)
    for mode in RetrievalMode.allCases {
      try await search(mode, queries, store, into: &report)
    }
    try await store.close()
  }

  /// From the index that the store left when it was closed, and from the database alone.
  private func measureOpening(
    _ folder: String, _ pool: ThreadPool, into report: inout BenchReport
  ) async throws {
    let saved = try await Timings.measure(runs: 1, warmUps: 0) {
      _ = try await open(folder, pool)
    }
    report["open_ms"] = .rounded(saved.median * 1000)
    if data != nil { return }
    try FileManager.default.removeItem(atPath: folder + "/indexes")
    let anew = try await Timings.measure(runs: 1, warmUps: 0) {
      _ = try await open(folder, pool)
    }
    report["open_without_snapshot_ms"] = .rounded(anew.median * 1000)
  }

  /// With and without filters in turn, so that what else the machine does hits all alike. Each filter
  /// is another one: none is remembered.
  private func search(
    _ mode: RetrievalMode, _ queries: [String], _ store: DocumentStore,
    into report: inout BenchReport
  ) async throws {
    let shares = filtered ? [100, 50, 10, 1] : [100]
    var timings = shares.map { _ in Timings() }
    for (run, query) in queries.enumerated() {
      for (place, share) in shares.enumerated() {
        var request = RetrievalRequest(.query(query))
        request.mode = mode
        request.topK = 10
        if share < 100 { request.filter = filter(passing: share, run: run) }
        let warmUps = run == 0 ? 1 : 0
        timings[place] += try await Timings.measure(runs: 1, warmUps: warmUps) {
          _ = try await store.retrieve(request)
        }
      }
    }
    for (share, timings) in zip(shares, timings) {
      let name =
        share == 100 ? "\(mode.rawValue)_ms" : "\(mode.rawValue)_filtered_\(share)_percent_ms"
      report[name] = .rounded(timings.median * 1000)
    }
  }

  private func filter(passing share: Int, run: Int) -> Filter {
    let groups = (0..<share).map { JSONValue.integer(Int64(($0 + run) % 100)) }
    return .comparison(.in, key: "group", value: .array(groups))
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
        DocumentInput(
          id: "d\($0)", text: texts[$0],
          metadata: ["group": .integer(Int64($0 / 8 * 37 % 100))])
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

  func embed(_ texts: [String], prompt: String) async throws -> [EmbeddedText] {
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
