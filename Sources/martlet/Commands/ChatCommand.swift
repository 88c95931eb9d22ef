// `martlet chat [QUESTION]`: one answer, or a conversation on the terminal.

import ArgumentParser
import JSON
import Synchronization

struct ChatCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "chat", abstract: "Talk to the chat model.",
    discussion: "Without a question it reads one per line; Ctrl-D ends the conversation.")

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
  @Argument(help: "The question.") var question: [String] = []

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
    if let collection {
      var retrieval: JSONObject = ["collection": .string(collection)]
      if let chain { retrieval["chain"] = .string(chain) }
      request["retrieval"] = .object(retrieval)
    }
    if client.json {
      let response = try await api.post("/v1/chat/completions", .object(request))
      Terminal.print(String(decoding: response.serialized(pretty: true), as: UTF8.self))
      return response["choices"]?[0]?["message"]?["content"]?.string ?? ""
    }
    request["stream"] = true
    let text = Mutex("")
    try await api.stream("/v1/chat/completions", .object(request)) { chunk in
      guard let piece = chunk["choices"]?[0]?["delta"]?["content"]?.string else { return }
      text.withLock { $0 += piece }
      Terminal.print(piece, terminator: "")
    }
    Terminal.print("")
    return text.withLock { $0 }
  }
}
