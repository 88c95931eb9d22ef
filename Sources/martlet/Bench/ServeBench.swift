// `martlet bench serve`: what clients of a running server see, over real sockets. The server is
// ours or any other that speaks OpenAI's /v1/completions with streams, token prompts and
// `ignore_eos`, so that one tool measures both sides of a comparison.

import ArgumentParser
import FoundationEssentials
import JSON
import Synchronization

struct ServeBenchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve", abstract: "Tokens per second and latencies of a running server.")

  @Option(help: ArgumentHelp("The server to measure.", valueName: "url"))
  var server = "http://127.0.0.1:8080"
  @Option(help: "API key (default: the environment's MARTLET_API_KEY).") var apiKey: String?
  @Option(parsing: .upToNextOption, help: "Clients at the same time; several counts in turn.")
  var clients = [1, 8]
  @Option(help: "Tokens per prompt, drawn anew for each request.") var prompt = 128
  @Option(help: "Tokens to generate per request.") var generate = 64
  @Option(help: "Requests that each client sends, one after the other.") var requests = 1
  @Option(help: "Token ids of prompts are below this.") var vocabulary = 4096
  @Flag(help: "Send each prompt again once it's answered, to see what a prefix cache saves.")
  var again = false
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    guard clients.allSatisfy({ $0 > 0 }), prompt > 0, generate > 0, requests > 0,
      vocabulary > Self.firstToken
    else {
      throw ValidationError(
        "Counts must be positive and --vocabulary above \(Self.firstToken).")
    }
  }

  /// Ids below are special tokens and bytes in most vocabularies.
  private static let firstToken = 300

  func run() async throws {
    let key = apiKey ?? ProcessInfo.processInfo.environment["MARTLET_API_KEY"]
    let client = try RemoteClient(server: server, key: key)
    // Pages in code and weights; not counted.
    _ = try await load(client, [[newPrompt()]])
    var levels: [JSONValue] = []
    for count in clients {
      let prompts = (0..<count).map { _ in (0..<requests).map { _ in newPrompt() } }
      var level = try await load(client, prompts).summary
      level["clients"] = .integer(Int64(count))
      if again { level["again"] = .object(try await load(client, prompts).summary) }
      levels.append(.object(level))
    }
    report(levels)
  }

  private func newPrompt() -> [Int] {
    (0..<prompt).map { _ in Int.random(in: Self.firstToken..<vocabulary) }
  }

  /// Sends each client's prompts one after the other, all clients side by side.
  private func load(_ client: RemoteClient, _ prompts: [[[Int]]]) async throws -> LoadResult {
    let clock = ContinuousClock()
    let start = clock.now
    let streams = try await withThrowingTaskGroup(of: [StreamRecord].self) { group in
      for sequence in prompts {
        group.addTask {
          var records: [StreamRecord] = []
          for prompt in sequence { records.append(try await complete(client, prompt)) }
          return records
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    return LoadResult(streams: streams, duration: clock.now - start)
  }

  private func complete(_ client: RemoteClient, _ prompt: [Int]) async throws -> StreamRecord {
    let body: JSONValue = .object([
      "prompt": .array(prompt.map { .integer(Int64($0)) }),
      "max_tokens": .integer(Int64(generate)), "temperature": .integer(0),
      "ignore_eos": .bool(true), "stream": .bool(true),
      "stream_options": .object(["include_usage": .bool(true)]),
    ])
    let record = Mutex(StreamRecord(start: .now))
    try await client.stream("/v1/completions", body) { event in
      record.withLock { $0.take(event, at: .now) }
    }
    let result = record.withLock { $0 }
    guard result.tokens > 0, !result.arrivals.isEmpty else {
      throw CommandFailure.failure("the server at \(server) generated nothing, or sent no usage")
    }
    return result
  }

  private func report(_ levels: [JSONValue]) {
    guard !json else {
      let report: JSONObject = [
        "benchmark": .string("serve"), "server": .string(server),
        "prompt_tokens": .integer(Int64(prompt)), "generated_tokens": .integer(Int64(generate)),
        "levels": .array(levels),
      ]
      return Terminal.print(JSONValue.object(report).description)
    }
    for level in levels {
      Terminal.print("\(level["clients"]?.description ?? "") clients: \(describe(level))")
      if let again = level["again"] { Terminal.print("  again: \(describe(again))") }
    }
  }

  private func describe(_ level: JSONValue) -> String {
    func number(_ path: String...) -> String {
      path.reduce(level as JSONValue?) { $0?[$1] }?.description ?? "-"
    }
    return "\(number("tokens_per_second")) tokens/s; ms to the first token "
      + "\(number("first_token_ms", "median")) (p99 \(number("first_token_ms", "p99"))), "
      + "between tokens \(number("inter_token_ms", "median")) (p99 \(number("inter_token_ms", "p99")))"
  }
}

/// One streamed answer as it arrived.
private struct StreamRecord: Sendable {
  let start: ContinuousClock.Instant
  /// When each piece of text came.
  private(set) var arrivals: [ContinuousClock.Instant] = []
  /// As the server counts them.
  private(set) var tokens = 0

  init(start: ContinuousClock.Instant) { self.start = start }

  mutating func take(_ event: JSONValue, at instant: ContinuousClock.Instant) {
    if let text = event["choices"]?[0]?["text"]?.string, !text.isEmpty { arrivals.append(instant) }
    if let count = event["usage"]?["completion_tokens"]?.int { tokens = count }
  }
}

/// All answers of one load.
private struct LoadResult {
  let streams: [StreamRecord]
  let duration: Duration

  var summary: JSONObject {
    let firsts = streams.compactMap { stream in stream.arrivals.first.map { $0 - stream.start } }
    let gaps = streams.flatMap { stream in
      zip(stream.arrivals.dropFirst(), stream.arrivals).map { $0 - $1 }
    }
    let tokens = streams.reduce(0) { $0 + $1.tokens }
    return [
      "tokens_per_second": .rounded(Double(tokens) / (duration / .seconds(1))),
      "first_token_ms": Self.milliseconds(firsts), "inter_token_ms": Self.milliseconds(gaps),
      "tokens": .integer(Int64(tokens)),
    ]
  }

  /// Median and 99th percentile; null for none.
  private static func milliseconds(_ durations: [Duration]) -> JSONValue {
    let sorted = durations.map { $0 / .milliseconds(1) }.sorted()
    guard !sorted.isEmpty else { return .null }
    func quantile(_ share: Double) -> JSONValue {
      .rounded(sorted[Int((Double(sorted.count - 1) * share).rounded())], 1)
    }
    return .object(["median": quantile(0.5), "p99": quantile(0.99)])
  }
}
