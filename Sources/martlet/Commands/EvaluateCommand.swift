// `martlet evaluate retrieval`: how well searches find what judges found relevant. Documents are
// stored whole in a collection of their own, named by what is in it, where a second run finds them
// unchanged.

import ArgumentParser
import Evaluation
import FoundationEssentials
import JSON

struct EvaluateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate", abstract: "Measure how good answers are.",
    subcommands: [EvaluateRetrievalCommand.self, EvaluateAnswersCommand.self])
}

struct EvaluateRetrievalCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "retrieval", abstract: "Measure searches against judgments.",
    discussion: """
      Prints recall, nDCG@10, mean reciprocal rank and mean average precision for each way to search.
      """)

  @OptionGroup var client: ClientOptions
  @Option(help: ArgumentHelp("JSON lines {\"id\",\"text\"}.", valueName: "file"))
  var documents: String
  @Option(
    help: ArgumentHelp(
      "Documents of another set to put beside those; may be repeated.", valueName: "file"))
  var distractors: [String] = []
  @Option(help: ArgumentHelp("JSON lines {\"id\",\"text\"}.", valueName: "file"))
  var queries: String
  @Option(help: ArgumentHelp("Judgments: query, 0, document, gain.", valueName: "file"))
  var qrels: String
  @Option(
    help: ArgumentHelp(
      "Collection to keep the documents in (default: one for these documents).", valueName: "name"))
  var collection: String?
  @Option(help: ArgumentHelp("Language of the documents.", valueName: "tag")) var language = "en"
  @Option(help: "Results per query.") var topK = 100
  @Option(help: "Only this mode: hybrid, dense or sparse.") var mode: String?
  @Option(help: "minmax or rrf.") var fusion = "minmax"
  @Option(help: ArgumentHelp("Write the rankings there, as TREC runs.", valueName: "folder"))
  var runs: String?

  func run() async throws {
    let judged: JudgedCollection
    do throws(EvaluationError) {
      judged = try JudgedCollection(
        documents: documents, distractors: distractors, queries: queries, judgments: qrels)
    } catch { throw CommandFailure.failure(error.description) }
    let collection = collection ?? "evaluation-\(language)-\(judged.fingerprint)"
    let api = try await client.open(needsChatModel: false)
    do {
      try await store(judged, collection, api)
      for mode in mode.map({ [$0] }) ?? ["sparse", "dense", "hybrid"] {
        let rankings = try await search(judged, collection, mode, api)
        try writeRun(rankings, mode)
        report(rankings, judged, mode)
      }
    } catch {
      await api.close()
      throw error
    }
    await api.close()
  }

  private func store(_ judged: JudgedCollection, _ collection: String, _ api: any APIClient)
    async throws
  {
    let settings: JSONValue = [
      "chunking": ["strategy": "none"], "language": .string(language),
    ]
    _ = try await api.call(.put, "/collections/\(collection)", settings)
    for start in stride(from: 0, to: judged.documents.count, by: 64) {
      let batch = judged.documents[start..<min(start + 64, judged.documents.count)]
      _ = try await api.post(
        "/collections/\(collection)/documents",
        .array(batch.map { ["id": .string($0.id), "text": .string($0.text)] }))
    }
  }

  private typealias Ranking = (query: String, results: [(id: String, score: Double)])

  private func search(
    _ judged: JudgedCollection, _ collection: String, _ mode: String, _ api: any APIClient
  ) async throws -> [Ranking] {
    var rankings: [Ranking] = []
    for start in stride(from: 0, to: judged.queries.count, by: 32) {
      let batch = Array(judged.queries[start..<min(start + 32, judged.queries.count)])
      let answer = try await api.post(
        "/retrieve",
        [
          "queries": .array(batch.map { .string($0.text) }), "mode": .string(mode),
          "collection": .string(collection), "top_k": .integer(Int64(topK)),
          "fusion": .string(fusion),
        ])
      for (query, list) in zip(batch, answer["results"]?.array ?? []) {
        let results = (list.array ?? []).map {
          (id: $0["document_id"]?.string ?? "", score: $0["score"]?.double ?? 0)
        }
        rankings.append((query.id, results))
      }
    }
    return rankings
  }

  private func report(_ rankings: [Ranking], _ judged: JudgedCollection, _ mode: String) {
    var metrics = RankingMetrics(depth: topK)
    for ranking in rankings {
      metrics.add(ranking.results.map(\.id), judged.judgments[ranking.query] ?? [:])
    }
    let values: [(String, Double)] = [
      ("ndcg@10", metrics.gain), ("recall@\(topK)", metrics.recall),
      ("mrr", metrics.reciprocalRank), ("map", metrics.averagePrecision),
    ]
    if client.json {
      var object: JSONObject = [
        "mode": .string(mode), "queries": .integer(Int64(metrics.queryCount)),
      ]
      for (name, value) in values { object[name] = .double(value) }
      Terminal.print(JSONValue.object(object).description)
    } else {
      let figures = values.map { "\($0.0) \(JSONValue.rounded($0.1, 4).description)" }
      Terminal.print("\(mode): \(figures.joined(separator: ", ")) (\(metrics.queryCount) queries)")
    }
  }

  /// `query Q0 document rank score name`, one line per result.
  private func writeRun(_ rankings: [Ranking], _ mode: String) throws {
    guard let runs else { return }
    var text = ""
    for ranking in rankings {
      for (index, result) in ranking.results.enumerated() {
        text += "\(ranking.query) Q0 \(result.id) \(index + 1) \(result.score) martlet-\(mode)\n"
      }
    }
    do {
      try FileManager.default.createDirectory(atPath: runs, withIntermediateDirectories: true)
      try Data(text.utf8).write(to: URL(fileURLWithPath: "\(runs)/\(mode).run"))
    } catch { throw CommandFailure.failure("\(runs)/\(mode).run can't be written: \(error)") }
  }
}
