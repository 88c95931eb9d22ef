// `martlet chat [QUESTION]`: one answer, or a conversation on the terminal.

import ArgumentParser
import JSON
import Synchronization

struct ChatCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "chat", abstract: "Talk to the chat model.",
    discussion: """
      Without a question it reads one per line; Ctrl-D ends the conversation. Below an answer from \
      documents stand the passages that the model was given; what it writes like [1] cites them.
      """)

  @OptionGroup var client: ClientOptions
  @Option(help: "A system message for the model.")
  var system: String?
  @Option(help: "0 takes the most likely token each time.")
  var temperature: Double?
  @Option(help: "Most tokens per answer.")
  var maxTokens: Int?
  @Option(help: ArgumentHelp("Answer from the documents of this collection.", valueName: "name"))
  var collection: String?
  @Option(
    help: "How passages become an answer: stuff, map_reduce, refine, rag_token, rag_sequence.")
  var chain: String?
  @Option(
    help: ArgumentHelp(
      "How passages are found and used, as a chat request's retrieval.", valueName: "json"))
  var retrieval: String?
  @Argument(help: "The question.") var question: [String] = []

  func validate() throws { _ = try documents() }

  /// The request's `retrieval`; nil where no documents are asked for.
  func documents() throws -> JSONValue? {
    guard collection != nil || retrieval != nil else {
      guard chain == nil else {
        throw ValidationError("--chain goes with --collection: say which documents to answer from")
      }
      return nil
    }
    var fields: JSONObject = [:]
    if let retrieval {
      guard let given = try? JSONValue(parsing: Array(retrieval.utf8)).object else {
        throw ValidationError("--retrieval is no JSON object")
      }
      fields = given
    }
    if let collection { fields["collection"] = .string(collection) }
    if let chain { fields["chain"] = .string(chain) }
    return .object(fields)
  }

  func run() async throws {
    let api = try await client.open(needsChatModel: true)
    do { try await converse(with: api) } catch {
      await api.close()
      throw error
    }
    await api.close()
  }

  private func converse(with api: any APIClient) async throws {
    var messages: [JSONValue] = []
    if let system { messages.append(["role": "system", "content": .string(system)]) }
    if !question.isEmpty {
      messages.append(user(question.joined(separator: " ")))
      _ = try await answer(messages, from: api)
      return
    }
    while let line = nextLine() {
      guard !line.isEmpty else { continue }
      messages.append(user(line))
      let reply = try await answer(messages, from: api)
      messages.append(["role": "assistant", "content": .string(reply)])
    }
  }

  private func nextLine() -> String? {
    if Terminal.isInteractive { Terminal.print("> ", terminator: "") }
    return readLine()
  }

  private func user(_ text: String) -> JSONValue { ["role": "user", "content": .string(text)] }

  /// Prints the answer as it comes and returns it.
  private func answer(_ messages: [JSONValue], from api: any APIClient) async throws -> String {
    var request: JSONObject = ["messages": .array(messages)]
    if let temperature { request["temperature"] = .double(temperature) }
    if let maxTokens { request["max_tokens"] = .integer(Int64(maxTokens)) }
    request["retrieval"] = try documents()
    if client.json {
      let response = try await api.post("/v1/chat/completions", .object(request))
      Terminal.print(String(decoding: response.serialized(pretty: true), as: UTF8.self))
      return response["choices"]?[0]?["message"]?["content"]?.string ?? ""
    }
    request["stream"] = true
    let text = Mutex("")
    let sources = Mutex<[JSONValue]>([])
    try await api.stream("/v1/chat/completions", .object(request)) { chunk in
      if let results = chunk["retrieval"]?["results"]?.array {
        sources.withLock { $0 = results.filter { $0["used"] == true } }
      }
      guard let piece = chunk["choices"]?[0]?["delta"]?["content"]?.string else { return }
      text.withLock { $0 += piece }
      Terminal.print(piece, terminator: "")
    }
    Terminal.print("")
    tell(sources.withLock { $0 })
    return text.withLock { $0 }
  }

  /// The passages that the model was given, by their numbers.
  private func tell(_ sources: [JSONValue]) {
    guard !sources.isEmpty else { return }
    Terminal.print("")
    for source in sources.sorted(by: { ($0["n"]?.int ?? 0) < ($1["n"]?.int ?? 0) }) {
      Terminal.print("[\(source["n"]?.int ?? 0)] \(ResultPlace(source))")
    }
  }
}
