// `martlet retrieve QUERY`: the chunks that answer a query best.

import ArgumentParser
import JSON

struct RetrieveCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "retrieve", abstract: "Find chunks of your documents.")

  @OptionGroup var client: ClientOptions
  @Option(help: ArgumentHelp("Collection (default: default).", valueName: "name"))
  var collection = "default"
  @Option(help: "Number of chunks.") var topK = 4
  @Option(help: "hybrid, dense or sparse.") var mode = "hybrid"
  @Option(help: ArgumentHelp("Condition on metadata, as /retrieve takes it.", valueName: "json"))
  var filter: String?
  @Option(help: "Least similarity; least BM25 in sparse mode.") var minScore: Double?
  @Option(help: "How hybrid results are fused: minmax or rrf.") var fusion: String?
  @Option(
    help: ArgumentHelp(
      "Metadata field whose words count as well, such as title=2; may be repeated.",
      valueName: "field=weight"))
  var boost: [String] = []
  @Flag(help: "Have the reranking model read the best chunks and rank them.") var rerank = false
  @Option(
    help: ArgumentHelp(
      "Prefer chunks unlike those before them: 1 is relevance alone, 0 diversity alone.",
      valueName: "lambda"))
  var mmr: Double?
  @Flag(help: "Leave out chunks that say the same as a better one.") var dedupe = false
  @Option(help: "Most chunks of one document.") var maxPerDocument: Int?
  @Option(help: "Add the text around each chunk: chunks, section or document.") var expand: String?
  @Flag(help: "Tell the parts of each score; shown with --json.") var explain = false
  @Argument(help: "What to look for.") var query: [String]

  func validate() throws { _ = try body() }

  func body() throws -> JSONValue {
    var body: JSONObject = [
      "query": .string(query.joined(separator: " ")), "collection": .string(collection),
      "top_k": .integer(Int64(topK)), "mode": .string(mode),
    ]
    if let filter {
      do { body["filter"] = try JSONValue(parsing: Array(filter.utf8)) } catch {
        throw ValidationError("--filter is no JSON: \(error)")
      }
    }
    if let minScore { body["min_score"] = .double(minScore) }
    body["fusion"] = fusion.map(JSONValue.string)
    if !boost.isEmpty { body["boosts"] = .object(try boosts()) }
    if rerank { body["rerank"] = true }
    if let mmr { body["mmr"] = ["lambda": .double(mmr)] }
    if dedupe { body["dedupe"] = true }
    body["max_per_document"] = maxPerDocument.map { .integer(Int64($0)) }
    if let expand { body["expand"] = ["by": .string(expand)] }
    if explain { body["explain"] = true }
    return .object(body)
  }

  private func boosts() throws -> JSONObject {
    var boosts: JSONObject = [:]
    for boost in boost {
      guard let equals = boost.lastIndex(of: "="), equals > boost.startIndex,
        let weight = Double(boost[boost.index(after: equals)...])
      else { throw ValidationError("--boost \(boost) is not like title=2") }
      boosts[String(boost[..<equals])] = .double(weight)
    }
    return boosts
  }

  func run() async throws {
    let body = try body()
    let api = try await client.open(needsChatModel: false)
    let answer: JSONValue
    do {
      answer = try await api.post("/retrieve", body)
    } catch {
      await api.close()
      throw error
    }
    await api.close()
    if client.json {
      Terminal.print(String(decoding: answer.serialized(pretty: true), as: UTF8.self))
      return
    }
    let results = answer["results"]?.array ?? []
    if results.isEmpty { Terminal.error("nothing was found in \(collection)") }
    for (rank, result) in results.enumerated() {
      let score = ((result["score"]?.double ?? 0) * 1e4).rounded() / 1e4
      Terminal.print("\(rank + 1). \(ResultPlace(result))  \(score)")
      Terminal.print((result["context"] ?? result)["text"]?.string ?? "")
      Terminal.print("")
    }
  }
}
