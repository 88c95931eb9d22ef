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
  @Flag(help: "Leave out chunks that say the same as a better one.") var dedupe = false
  @Option(help: "Add the text around each chunk: chunks, section or document.") var expand: String?
  @Flag(help: "Tell the parts of each score; shown with --json.") var explain = false
  @Argument(help: "What to look for.") var query: [String]

  func validate() throws { _ = try body() }

  private func body() throws -> JSONValue {
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
    if dedupe { body["dedupe"] = true }
    if let expand { body["expand"] = ["by": .string(expand)] }
    if explain { body["explain"] = true }
    return .object(body)
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
      let shown = result["context"] ?? result
      let place = "\(shown["start"]?.int ?? 0)-\(shown["end"]?.int ?? 0)"
      Terminal.print("\(rank + 1). \(result["document_id"]?.string ?? "?") [\(place)]  \(score)")
      Terminal.print(shown["text"]?.string ?? "")
      Terminal.print("")
    }
  }
}
