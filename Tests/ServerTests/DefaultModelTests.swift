// Which chat model is served when none is named, and what requests may call it.

import Checkpoints
import Compute
import Foundation
import JSON
import Logging
import Testing

@testable import Server

struct DefaultModelTests {
  private let folder = TestServer.temporaryFolder()

  private func write(_ text: String, to path: String) throws {
    let file = URL(fileURLWithPath: folder + "/" + path)
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: file)
  }

  private func chosen() throws -> String? {
    var configuration = ServerConfiguration()
    configuration.models = folder
    let loader = ModelLoader(
      configuration: configuration, pool: ThreadPool(threads: 1), logger: Logger(label: "test"))
    return try loader.directory(nil, fallbacks: House.defaultChatModels)
  }

  @Test func theFetchedModelComesBeforeTheBundledOne() throws {
    #expect(try chosen() == nil)
    try write("{}", to: "default/config.json")
    // Its settings are in the repository; its weights are fetched.
    try write("{}", to: "SmolLM2-135M-Instruct/generation_config.json")
    #expect(try chosen() == folder + "/default")
    try write("GGUF", to: "SmolLM2-135M-Instruct/weights.gguf")
    #expect(try chosen() == folder + "/SmolLM2-135M-Instruct")
  }

  /// Passing over the folder would serve another model without a word.
  @Test func severalFilesAreRefusedByTheirNames() throws {
    try write("{}", to: "default/config.json")
    let fetched = folder + "/SmolLM2-135M-Instruct"
    for name in ["a", "b"] { try write("GGUF", to: "SmolLM2-135M-Instruct/\(name).gguf") }
    #expect(try chosen() == fetched)
    let locator = ModelLocator(folder: folder)
    #expect(try locator.directory(of: fetched) == fetched)
    #expect(try locator.directory(of: "SmolLM2-135M-Instruct") == fetched)
    let error = #expect(throws: ModelError.self) { try ModelFiles(path: fetched) }
    #expect(error.map { "\($0)" }?.contains("it holds a.gguf, b.gguf: name one of them") == true)
  }

  @Test func anyChatModelMayBeCalledDefault() async throws {
    let scripted = try await ScriptedServer.start([("river", "Water.")])
    for name in ["scripted", "default"] {
      let answer = try await scripted.server.post(
        "/chat", ["model": .string(name), "messages": [user("What is a river?")]])
      #expect(answer.status == 200)
      #expect(answer.json["model"] == "scripted")
    }
    let described = try await scripted.server.get("/v1/models/default")
    #expect(described.status == 200 && described.json["id"] == "scripted")
    let other = try await scripted.server.post(
      "/chat", ["model": "other", "messages": [user("What is a river?")]])
    #expect(other.errorCode == "model_not_found")
    await scripted.stop()
  }

  @Test func answersEndWhereTheModelRecommends() async throws {
    try FileManager.default.copyItem(
      at: Repository.file("Models/default"), to: URL(fileURLWithPath: folder))
    try write(#"{"max_new_tokens": 3}"#, to: "generation_config.json")
    let server = try await TestServer.start {
      $0.model = folder
      $0.embeddingModel = "none"
    }
    var request: JSONObject = ["messages": [user("Hello!")], "ignore_eos": true]
    for (asked, expected) in [(nil, 3), (5, 5)] as [(JSONValue?, Int)] {
      request["max_tokens"] = asked
      let answer = try await server.post("/chat", .object(request)).json
      #expect(answer["usage"]?["completion_tokens"]?.int == expected)
    }
    await server.server.stop()
  }
}
