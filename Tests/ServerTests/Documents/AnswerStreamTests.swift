// Streams whose model has other calls to answer first: when they begin, what is sent meanwhile, and how
// they end where those calls fail.

import Dispatch
import Foundation
import HTTP
import HTTPTypes
import JSON
import Synchronization
import Testing

@testable import Server

@Suite(.enabled(if: TestServer.hasEmbeddingModel), .serialized, .timeLimit(.minutes(1)))
struct AnswerStreamTests {
  private static let rules = [
    ("Rewrite the last question", "Who announced Llama 2?"), ("Write down what", "It was Meta."),
    ("Passages:", "Meta [1]."),
  ]
  private static let messages: [JSONValue] = [
    ["role": "user", "content": "Tell me about Llama 2."],
    ["role": "assistant", "content": "It is a model."],
    ["role": "user", "content": "Who announced it?"],
  ]

  /// Keeps what is written, and tells of every piece.
  private final class Sink: ResponseStream {
    private let text = Mutex("")
    private let told: @Sendable (String) -> Void

    init(_ told: @escaping @Sendable (String) -> Void) { self.told = told }

    func write(_ bytes: [UInt8]) async throws {
      let piece = String(decoding: bytes, as: UTF8.self)
      text.withLock { $0 += piece }
      told(piece)
    }

    /// What stands between empty lines.
    var events: [String] {
      text.withLock { $0 }.components(separatedBy: "\n\n").filter { !$0.isEmpty }
    }
  }

  private func respond(
    _ house: ScriptedServer, _ retrieval: JSONObject, heartbeat: Duration = .seconds(600)
  ) async throws -> Response {
    let application = house.server.server.application
    let body: JSONValue = [
      "messages": .array(Self.messages), "retrieval": .object(retrieval), "temperature": 0,
      "stream": true,
    ]
    let request = try #require(
      Request(
        .post, "/chat", headers: [.contentType: "application/json"], body: body.serialized()))
    return try await ChatCompletions(
      state: application.state, metrics: application.metrics, heartbeat: heartbeat
    ).respond(to: request)
  }

  /// The model keeps its first answer back until the stream has begun and a comment was seen.
  @Test(
    arguments: [
      ["rewrite": true], ["chain": "map_reduce"], ["chain": "refine"], ["queries": 2],
      ["hyde": true], ["rewrite": true, "chain": "rag_sequence"],
    ] as [JSONObject])
  func streamsBeginWithTheFirstCall(retrieval: JSONObject) async throws {
    let gate = DispatchSemaphore(value: 0)
    let isOpen = Mutex(false)
    let house = try await ScriptedServer.start(
      Self.rules,
      before: { _ in
        guard !isOpen.withLock({ $0 }) else { return }
        gate.wait()
        isOpen.withLock { $0 = true }
      })
    let response = try await respond(house, retrieval, heartbeat: .milliseconds(1))
    guard case .stream(let produce) = response.body else {
      Issue.record("no stream")
      return
    }
    let sink = Sink { if $0 == ": ping\n\n" { gate.signal() } }
    try await produce(sink)
    let events = sink.events
    #expect(events.first == ": ping" && events.last == "data: [DONE]")
    let text = try events.filter { $0.hasPrefix("data: {") }
      .map { try JSONValue(parsing: String($0.dropFirst("data: ".count))) }
      .compactMap { $0["choices"]?[0]?["delta"]?["content"]?.string }.joined()
    #expect(text == "Meta [1].")
    await house.stop()
  }

  struct Broken: Error {}

  /// What fails once the stream has begun is its last event.
  @Test func laterErrorsAreEvents() async throws {
    let house = try await ScriptedServer.start(
      Self.rules, before: { if $0.contains("Write down what") { throw Broken() } })
    let response = try await respond(house, ["chain": "map_reduce", "rewrite": true])
    guard case .stream(let produce) = response.body else {
      Issue.record("no stream")
      return
    }
    let sink = Sink { _ in }
    try await produce(sink)
    let last = try #require(sink.events.last)
    #expect(sink.events.count == 1 && last.hasPrefix("data: {\"error\":{\"message\":"), "\(last)")
    await house.stop()
  }

  /// What is wrong with the request is told by its status, before the model is asked anything.
  @Test func earlierErrorsHaveAStatus() async throws {
    let house = try await ScriptedServer.start(Self.rules)
    let retrievals: [(JSONObject, Int)] = [
      (["rewrite": true, "collection": "none"], 404), (["rewrite": true, "top_k": 0], 400),
      (["rewrite": true, "chain": "none"], 400),
    ]
    for (retrieval, status) in retrievals {
      let answer = try await house.ask(Self.messages, retrieval, ["stream": true])
      #expect(answer.status == status, "\(answer.text)")
    }
    #expect(house.model.prompts.isEmpty)
    await house.stop()
  }

  @Test func workEndsWithWhoeverWantedIt() async throws {
    let (ended, continuation) = AsyncStream<Bool>.makeStream()
    @Sendable func wait() async {
      try? await Task.sleep(for: .seconds(600))
      continuation.yield(Task.isCancelled)
    }
    var ends = ended.makeAsyncIterator()
    // Nobody is left to take its value.
    var work: AdmittedWork<Void>? = AdmittedWork { admit in
      admit()
      await wait()
    }
    try await work?.admitted()
    work = nil
    #expect(await ends.next() == true)
    // The request is cancelled before anything was admitted.
    let request = Task { try await AdmittedWork { _ in await wait() }.admitted() }
    request.cancel()
    #expect(await ends.next() == true)
    _ = try? await request.value
    let failing = AdmittedWork<Void> { _ in throw Broken() }
    await #expect(throws: Broken.self) { try await failing.admitted() }
    let done = AdmittedWork { _ in 7 }
    try await done.admitted()
    #expect(try await done.value == 7)
  }
}
