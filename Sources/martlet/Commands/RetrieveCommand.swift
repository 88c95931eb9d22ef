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
  @Argument(help: "What to look for.") var query: [String]

  func run() async throws {
    let api = try await client.open(needsChatModel: false)
    let answer: JSONValue
    do {
      answer = try await api.post(
        "/retrieve",
        [
          "query": .string(query.joined(separator: " ")), "collection": .string(collection),
          "top_k": .integer(Int64(topK)), "mode": .string(mode),
        ])
    } catch {
      await api.close()
      throw error
    }
    await api.close()
    if client.json {
      Terminal.print(String(decoding: answer.serialized(pretty: true), as: UTF8.self))
      return
    }
    for (rank, result) in (answer["results"]?.array ?? []).enumerated() {
      let score = ((result["score"]?.double ?? 0) * 1e4).rounded() / 1e4
      let place = "\(result["start"]?.int ?? 0)-\(result["end"]?.int ?? 0)"
      Terminal.print("\(rank + 1). \(result["document_id"]?.string ?? "?") [\(place)]  \(score)")
      Terminal.print(result["text"]?.string ?? "")
      Terminal.print("")
    }
  }
}
