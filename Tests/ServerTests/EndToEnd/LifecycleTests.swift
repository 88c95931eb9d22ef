import Foundation
import HTTP
import HTTPTypes
import JSON
import Testing

@testable import Server

struct LifecycleTests {
  @Test(arguments: Door.allCases)
  func probesModelsAndMetrics(door: Door) async throws {
    let server = try await TestServer.shared.value
    for path in ["/livez", "/health", "/healthz", "/readyz"] {
      let answer = try await server.get(path, through: door)
      #expect(answer.status == 200)
      #expect(answer.json["status"] == "ok")
    }
    let models = try await server.get("/v1/models", through: door).json
    #expect(models["data"]?.array?.map { $0["id"]?.string }.contains("default") == true)
    #expect(try await server.get("/v1/models/default", through: door).json["object"] == "model")
    let metrics = try await server.get("/metrics", through: door)
    #expect(metrics.headers[.contentType]?.hasPrefix("text/plain; version=0.0.4") == true)
    #expect(metrics.text.contains("martlet_ready 1"))
  }

  @Test func generationIsCounted() async throws {
    let server = try await TestServer.start { $0.embeddingModel = "none" }
    _ = try await server.post(
      "/v1/completions", ["prompt": "Water is", "max_tokens": 5, "ignore_eos": true])
    let metrics = server.server.application.metrics
    #expect(metrics.generationTokens.value() == 5)
    #expect(metrics.promptTokens.value() > 0)
    #expect(metrics.timeToFirstToken.count() == 1)
    #expect(metrics.finished.value("length") == 1)
    #expect(metrics.httpRequests.value("/v1/completions", "POST", "200") == 1)
    await server.server.stop()
  }

  @Test func withoutModelsEverythingElseWorks() async throws {
    let server = try await TestServer.start {
      $0.model = "none"
      $0.embeddingModel = "none"
    }
    #expect(try await server.get("/health").status == 200)
    for path in ["/chat", "/v1/chat/completions", "/v1/completions"] {
      let answer = try await server.post(path, ["messages": [user("hi")], "prompt": "hi"])
      #expect(answer.status == 503)
      #expect(answer.errorCode == "no_chat_model")
      #expect(answer.errorMessage.contains("--model"))
      #expect(answer.headers[HTTPField.Name.shouldRetry] == "false")
    }
    let embedding = try await server.post("/embeddings", ["input": "hi"])
    #expect(embedding.status == 503)
    #expect(embedding.errorCode == "no_embedding_model")
    #expect(try await server.post("/retrieve", ["query": "x", "mode": "sparse"]).status == 200)
    await server.server.stop()
  }

  @Test func keysAreAskedForEverywhereButAtTheProbes() async throws {
    let file = TestServer.temporaryFolder()
    try "# staff\nsesame\n".write(toFile: file, atomically: true, encoding: .utf8)
    let server = try await TestServer.start {
      $0.model = "none"
      $0.embeddingModel = "none"
      $0.apiKeyFile = file
    }
    for path in ["/v1/models", "/metrics", "/collections"] {
      let answer = try await server.get(path)
      #expect(answer.status == 401)
      #expect(answer.errorCode == "invalid_api_key")
      #expect(answer.headers[.wwwAuthenticate] == "Bearer")
      let known = try await server.send(.get, path, headers: [.authorization: "Bearer sesame"])
      #expect(known.status == 200)
    }
    for path in ["/livez", "/health", "/readyz"] {
      #expect(try await server.get(path).status == 200)
    }
    await server.server.stop()
  }

  @Test func requestIDsComeBack() async throws {
    let server = try await TestServer.shared.value
    let sent = try await server.send(.get, "/livez", headers: [.xRequestID: "trace-42"])
    #expect(sent.headers[.xRequestID] == "trace-42")
    #expect(try await server.get("/livez").headers[.xRequestID]?.isEmpty == false)
  }

  /// The sequence of a client that hangs up leaves the engine.
  @Test func hangingUpStopsTheGeneration() async throws {
    let server = try await TestServer.start { $0.embeddingModel = "none" }
    let engine = try #require(server.server.application.state.chat?.engine)
    // Far more than can be computed before the hang-up is noticed.
    let request: JSONValue = [
      "prompt": "Water is", "max_tokens": 1000, "ignore_eos": true, "stream": true, "n": 16,
    ]
    do {
      let response = try await server.stream("/v1/completions", request)
      var pieces = response.makeAsyncIterator()
      #expect(try await pieces.next() != nil)
      while engine.statistics.running == 0 { await Task.yield() }
    }  // letting go of the response closes the connection
    while engine.statistics.running + engine.statistics.waiting > 0 { await Task.yield() }
    #expect(engine.statistics.usedBlocks == 0)
    #expect(engine.statistics.generatedTokens < 16 * 1000)
    await server.server.stop()
  }

  /// What runs is finished, what comes later is refused, and the probes say why.
  @Test func drainingFinishesWhatRuns() async throws {
    let server = try await TestServer.start { $0.embeddingModel = "none" }
    let request: JSONValue = [
      "prompt": "Water is", "max_tokens": 200, "ignore_eos": true, "stream": true,
    ]
    let response = try await server.stream("/v1/completions", request)
    var lines = response.lines.makeAsyncIterator()
    _ = try await lines.next()
    let draining = Task { await server.server.drain() }
    while server.server.application.state.phase != .draining { await Task.yield() }
    let refused = try await server.post("/v1/completions", ["prompt": "a"])
    #expect(refused.status == 503)
    #expect(refused.headers[.retryAfter] != nil)
    let probe = try await server.get("/readyz")
    #expect(probe.status == 503)
    #expect(probe.json["reason"]?.string == "shutting down")
    var last = ""
    while let line = try await lines.next() { if !line.isEmpty { last = line } }
    #expect(last == "data: [DONE]")
    await draining.value
  }

  @Test func portInUseIsSaidClearly() async throws {
    let server = try await TestServer.shared.value
    let port = try #require(Int(server.server.url.split(separator: ":").last ?? ""))
    await #expect {
      _ = try await TestServer.start { $0.port = port }
    } throws: { error in
      let failure = error as? StartupFailure
      return failure?.isConfiguration == false && failure?.message.contains("\(port)") == true
    }
  }

  @Test func unauthenticatedPublicAddressIsRefused() async throws {
    await #expect {
      _ = try await TestServer.start { $0.host = "0.0.0.0" }
    } throws: { error in
      let failure = error as? StartupFailure
      return failure?.isConfiguration == true && failure?.message.contains("--api-key-file") == true
    }
  }
}

/// A model that was asked for by name and can't be loaded stops the start with a clear reason.
struct BrokenModelTests {
  private static let files = [
    "config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json",
    "model.safetensors",
  ]

  /// A copy of the bundled model that `damage` has changed.
  private func damaged(_ damage: (String) throws -> Void) async throws -> StartupFailure {
    let folder = TestServer.temporaryFolder()
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    for file in Self.files {
      try FileManager.default.copyItem(
        atPath: TestServer.modelsFolder + "/default/" + file, toPath: folder + "/" + file)
    }
    try damage(folder)
    var failure: StartupFailure?
    do {
      _ = try await TestServer.start {
        $0.model = folder
        $0.embeddingModel = "none"
      }
    } catch let error as StartupFailure { failure = error }
    return try #require(failure)
  }

  @Test(arguments: ["config.json", "tokenizer.json", "model.safetensors"])
  func missingFilesAreNamed(file: String) async throws {
    let failure = try await damaged { try FileManager.default.removeItem(atPath: $0 + "/" + file) }
    #expect(failure.isConfiguration)
    #expect(failure.message.contains(file))
  }

  @Test(arguments: ["config.json", "tokenizer.json", "model.safetensors", "tokenizer_config.json"])
  func garbledFilesAreNamed(file: String) async throws {
    let failure = try await damaged {
      try Data("\u{1}garbage {".utf8).write(to: URL(fileURLWithPath: $0 + "/" + file))
    }
    #expect(failure.isConfiguration)
    #expect(failure.message.contains(file))
  }

  @Test func truncatedWeightsAreNamed() async throws {
    let failure = try await damaged {
      let url = URL(fileURLWithPath: $0 + "/model.safetensors")
      try Data(contentsOf: url).dropLast(1000).write(to: url)
    }
    #expect(failure.isConfiguration)
    #expect(failure.message.contains("model.safetensors"))
  }

  @Test func unknownArchitecturesListTheKnownOnes() async throws {
    let failure = try await damaged {
      let url = URL(fileURLWithPath: $0 + "/config.json")
      let text = try String(contentsOf: url, encoding: .utf8)
      try text.replacingOccurrences(of: "LlamaForCausalLM", with: "MambaForCausalLM")
        .write(to: url, atomically: true, encoding: .utf8)
    }
    #expect(failure.isConfiguration)
    #expect(failure.message.contains("MambaForCausalLM"))
    #expect(failure.message.contains("LlamaForCausalLM"))
  }

  @Test func unknownNamesSayWhereTheyWereLookedFor() async throws {
    await #expect {
      _ = try await TestServer.start { $0.model = "no-such-model" }
    } throws: { error in
      let failure = error as? StartupFailure
      return failure?.isConfiguration == true && failure?.message.contains("no-such-model") == true
    }
  }
}
