// Adapters as a server has them: named at the start or loaded by request, asked for by model name, mixed
// in one batch, listed, counted and removed.

import Foundation
import HTTP
import JSON
import Testing

@testable import Server

struct AdapterTests {
  private static let fixtures = Repository.file("Tests/Fixtures/adapters").path

  /// The fixtures' base with a tokenizer; its prompts are given as token ids.
  private static func model() throws -> String {
    let directory = TestServer.temporaryFolder() + "/tiny-base"
    try FileManager.default.createDirectory(
      atPath: directory, withIntermediateDirectories: true)
    let files =
      ["config.json", "generation_config.json", "model.safetensors"].map { "adapters/base/\($0)" }
      + ["tokenizers/gpt2/tokenizer.json"]
    for file in files {
      try FileManager.default.copyItem(
        atPath: Repository.file("Tests/Fixtures/\(file)").path,
        toPath: directory + "/" + (file as NSString).lastPathComponent)
    }
    return directory
  }

  private static func start(
    _ adapters: [String] = [], folder: String? = nil,
    _ change: (inout ServerConfiguration) -> Void = { _ in }
  ) async throws -> TestServer {
    let model = try model()
    return try await TestServer.start {
      $0.model = model
      $0.embeddingModel = "none"
      $0.adapters = adapters
      $0.adapterDirectory = folder
      change(&$0)
    }
  }

  private func request(_ model: String?, _ index: Int = 0, tokens: Int = 30) -> JSONValue {
    [
      "model": model.map(JSONValue.string) ?? .null,
      "prompt": .array((0..<40).map { .integer(Int64(($0 * 37 + index * 11) % 250)) }),
      "max_tokens": .integer(Int64(tokens)), "seed": 3, "temperature": 0.9, "logprobs": 2,
      "ignore_eos": true,
    ]
  }

  private static let named = [
    "first=\(fixtures)/lora", "\(fixtures)/dora", "soft=\(fixtures)/prefix",
  ]

  @Test func mixedInOneBatchTheyGiveWhatTheyGiveAlone() async throws {
    let server = try await Self.start(Self.named)
    let names: [String?] = [nil, "first", "dora", "soft", "tiny-base", "first", nil, "soft"]
    var alone: [JSONValue?] = []
    for (index, name) in names.enumerated() {
      let answer = try await server.post("/v1/completions", request(name, index))
      #expect(answer.status == 200, "\(answer.errorMessage)")
      #expect(answer.json["model"]?.string == name ?? "tiny-base")
      // Virtual tokens are no part of the prompt.
      #expect(answer.json["usage"]?["prompt_tokens"] == 40)
      alone.append(answer.json["choices"])
    }
    #expect(Set(alone.prefix(4).compactMap { $0?[0]?["text"]?.string }).count == 4)
    let together = try await withThrowingTaskGroup(of: (Int, JSONValue?).self) { group in
      for (index, name) in names.enumerated() {
        group.addTask {
          let answer = try await server.post("/v1/completions", self.request(name, index))
          return (index, answer.json["choices"])
        }
      }
      return try await group.reduce(into: [Int: JSONValue?]()) { $0[$1.0] = $1.1 }
    }
    for index in names.indices { #expect(together[index] == alone[index], "request \(index)") }
    let metrics = try await server.get("/metrics").text
    #expect(metrics.contains("martlet_adapter_requests_total{adapter=\"first\"} 4"))
    #expect(metrics.contains("martlet_adapters_loaded 3"))
    await server.server.stop()
  }

  @Test func theyAreListedWithTheirParent() async throws {
    let server = try await Self.start(Self.named)
    let list = try #require(try await server.get("/v1/models").json["data"]?.array)
    #expect(list.compactMap { $0["id"]?.string } == ["tiny-base", "first", "dora", "soft"])
    #expect(list[0].object?["parent"] == nil)
    #expect(list.dropFirst().allSatisfy { $0["parent"] == "tiny-base" })
    #expect(try await server.get("/v1/models/dora").json["parent"] == "tiny-base")
    let answer = try await server.post("/v1/completions", request("other"))
    #expect(answer.status == 404 && answer.errorMessage.contains("first, dora, soft"))
    let tokens = try await server.post("/tokenize", ["model": "soft", "prompt": "a"])
    #expect(tokens.json["max_model_len"] == 505)
    await server.server.stop()
  }

  @Test func theyComeAndGoByRequest() async throws {
    let server = try await Self.start(folder: Self.fixtures)
    let before = try await server.post("/v1/completions", request(nil)).json["choices"]
    let body: JSONValue = ["name": "new", "path": "lora"]
    let loaded = try await server.post("/v1/adapters", body)
    #expect(loaded.status == 201 && loaded.json["parent"] == "tiny-base")
    #expect(loaded.json["id"] == "new" && loaded.json["object"] == "model")
    let adapted = try await server.post("/v1/completions", request("new")).json["choices"]
    #expect(adapted != before && adapted != nil)
    #expect(try await server.post("/v1/adapters", body).status == 409)

    // What runs goes on to its end.
    var long = try #require(request("new", 5, tokens: 400).object)
    long["stream"] = true
    let stream = try await server.stream("/v1/completions", .object(long))
    #expect(try await server.send(.delete, "/v1/adapters/new").status == 204)
    let text = String(decoding: try await stream.wholeBody(), as: UTF8.self)
    #expect(text.contains("\"finish_reason\":\"length\"") && text.hasSuffix("data: [DONE]\n\n"))

    #expect(try await server.post("/v1/completions", request("new")).status == 404)
    #expect(try await server.send(.delete, "/v1/adapters/new").status == 404)
    #expect(!(try await server.get("/metrics").text.contains("adapter=\"new\"")))
    // Another one under the same name has nothing of the old one's cache.
    _ = try await server.post("/v1/adapters", ["name": "new", "path": "dora"])
    let other = try await server.post("/v1/completions", request("new")).json
    #expect(other["choices"] != adapted && other["choices"] != before)
    #expect(other["usage"]?["prompt_tokens_details"]?["cached_tokens"] == 0)
    await server.server.stop()
  }

  @Test func nothingOutsideOfTheFolderIsLoaded() async throws {
    let folder = TestServer.temporaryFolder()
    let files = FileManager.default
    try files.createDirectory(atPath: folder + "/inside", withIntermediateDirectories: true)
    try files.copyItem(atPath: Self.fixtures + "/lora", toPath: folder + "/lora")
    try files.createSymbolicLink(
      atPath: folder + "/link", withDestinationPath: Self.fixtures + "/dora")
    try files.createSymbolicLink(atPath: folder + "/within", withDestinationPath: "lora")
    for file in ["adapter_config.json", "adapter_model.safetensors"] {
      try files.createSymbolicLink(
        atPath: folder + "/inside/" + file, withDestinationPath: Self.fixtures + "/lora/" + file)
    }
    let server = try await Self.start(folder: folder)
    for (path, status) in [
      ("../lora", 400), ("lora/../lora", 400), (Self.fixtures + "/dora", 400), ("", 400),
      ("./lora", 400), ("lora\0", 400), ("link", 400), ("inside", 400), ("nowhere", 404),
    ] {
      let answer = try await server.post(
        "/v1/adapters", ["name": "x", "path": .string(path)])
      #expect(answer.status == status, "\(path): \(answer.text)")
      #expect(answer.json["error"]?["param"] == "path")
    }
    #expect(try await server.post("/v1/adapters", ["name": "x", "path": "within"]).status == 201)
    await server.server.stop()
  }

  @Test func badRequestsAreRefusedByName() async throws {
    let server = try await Self.start(folder: Self.fixtures)
    for name in ["", "a b", "../x", ".x", "a/b", "ü", String(repeating: "a", count: 129)] {
      let answer = try await server.post(
        "/v1/adapters", ["name": .string(name), "path": "lora"])
      #expect(answer.status == 400 && answer.json["error"]?["param"] == "name", "\(name)")
    }
    let taken = try await server.post("/v1/adapters", ["name": "tiny-base", "path": "lora"])
    #expect(taken.status == 409 && taken.errorCode == "name_taken")
    let wide = try await server.post("/v1/adapters", ["name": "x", "path": "wide-lora"])
    #expect(wide.status == 400 && wide.errorCode == "invalid_adapter")
    #expect(wide.errorMessage.contains("down_proj.lora_A.weight has shape [8, 256]"))
    #expect(try await server.post("/v1/adapters", ["path": "lora"]).status == 400)
    #expect(try await server.get("/v1/models").json["data"]?.array?.count == 1)
    await server.server.stop()

    let closed = try await Self.start()
    let answer = try await closed.post("/v1/adapters", ["name": "x", "path": "lora"])
    #expect(answer.status == 403 && answer.errorCode == "no_adapter_directory")
    await closed.server.stop()
  }

  @Test(arguments: [
    (["x=/no/such/place"], "/no/such/place"), (["\(fixtures)/wide-lora"], "has shape"),
    (["a=\(fixtures)/lora", "a=\(fixtures)/dora"], "'a' is taken"),
    (["tiny-base=\(fixtures)/lora"], "'tiny-base' is taken"),
    (["a b=\(fixtures)/lora"], "'a b' is no name"),
    (["\(fixtures)/lora-saved-norms"], "martlet merge"),
  ])
  func whatCannotBeServedEndsTheStart(adapters: [String], reason: String) async throws {
    await #expect {
      _ = try await Self.start(adapters)
    } throws: { error in
      let failure = error as? StartupFailure
      return failure?.isConfiguration == true && failure?.message.contains(reason) == true
    }
  }

  @Test func anAdapterNeedsAModel() async throws {
    await #expect {
      _ = try await Self.start(["\(Self.fixtures)/lora"]) { $0.model = "none" }
    } throws: { "\($0)".contains("no chat model") }
  }
}
