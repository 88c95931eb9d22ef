// `martlet embed TEXT...`: vectors, one JSON array per line.

import ArgumentParser
import JSON

struct EmbedCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "embed", abstract: "Embed texts.",
    discussion: "Without texts it reads one per line from standard input.")

  @OptionGroup var client: ClientOptions
  @Argument(help: "Texts.") var texts: [String] = []

  func run() async throws {
    var inputs = texts
    if inputs.isEmpty { while let line = readLine() { inputs.append(line) } }
    guard !inputs.isEmpty else { throw CommandFailure.failure("no text to embed") }
    let api = try await client.open(needsChatModel: false)
    do {
      let answer = try await api.post(
        "/v1/embeddings",
        ["input": .array(inputs.map(JSONValue.string)), "encoding_format": "float"])
      if client.json {
        Terminal.print(answer.description)
      } else {
        for item in answer["data"]?.array ?? [] {
          Terminal.print((item["embedding"] ?? .null).description)
        }
      }
    } catch {
      await api.close()
      throw error
    }
    await api.close()
  }
}
