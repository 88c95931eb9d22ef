// `martlet reindex`: cuts and embeds the documents of a collection anew.

import ArgumentParser
import JSON

struct ReindexCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reindex",
    abstract: "Cut and embed a collection's documents anew.",
    discussion: """
      With the embedding model that is loaded, and with the settings given here; the others stay. The \
      collection serves as it was until all is done. Stopped and started again with the same \
      settings, it goes on where it was.
      """)

  @OptionGroup var client: ClientOptions
  @Option(help: ArgumentHelp("Collection (default: default).", valueName: "name"))
  var collection = "default"
  @Option(help: "How documents are cut.") var strategy: String?
  @Option(help: "Size of a chunk.") var size: Int?
  @Option(help: "What neighbouring chunks have in common.") var overlap: Int?
  @Option(help: "What the strategy \"characters\" cuts at.") var separator: String?
  @Option(
    help: "Percentile of the distances between sentences above which \"semantic\" ends a chunk.")
  var threshold: Int?
  @Option(help: "In front of passages when they are embedded, such as 'passage: '.")
  var passagePrompt: String?
  @Option(help: "In front of queries when they are embedded, such as 'query: '.")
  var queryPrompt: String?
  @Option(help: "Language tag, such as en or zh.") var language: String?
  @Option(help: "cosine, dot or euclidean.") var metric: String?

  func run() async throws {
    let api = try await client.open(needsChatModel: false)
    let bar = ProgressBar(collection)
    let answer: JSONValue
    do {
      answer = try await api.perform(
        "/collections/\(collection)/reindex", settings,
        progress: Terminal.showsProgress ? bar.show : nil)
    } catch {
      await api.close()
      throw error
    }
    await api.close()
    if client.json {
      Terminal.print(answer.description)
    } else {
      let (documents, chunks) = (answer["documents"]?.int ?? 0, answer["chunks"]?.int ?? 0)
      Terminal.print("\(collection): \(documents) documents in \(chunks) chunks")
    }
  }

  var settings: JSONValue {
    var chunking: JSONObject = [:]
    chunking["strategy"] = strategy.map(JSONValue.string)
    chunking["size"] = size.map { .integer(Int64($0)) }
    chunking["overlap"] = overlap.map { .integer(Int64($0)) }
    chunking["separator"] = separator.map(JSONValue.string)
    chunking["threshold"] = threshold.map { .integer(Int64($0)) }
    var prompts: JSONObject = [:]
    prompts["passage"] = passagePrompt.map(JSONValue.string)
    prompts["query"] = queryPrompt.map(JSONValue.string)
    var settings: JSONObject = [:]
    if !chunking.isEmpty { settings["chunking"] = .object(chunking) }
    if !prompts.isEmpty { settings["prompts"] = .object(prompts) }
    settings["language"] = language.map(JSONValue.string)
    settings["metric"] = metric.map(JSONValue.string)
    return .object(settings)
  }
}
