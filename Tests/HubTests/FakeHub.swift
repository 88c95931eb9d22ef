// A hub inside the test process: the URL scheme, headers and status codes of huggingface.co over TLS, and
// whatever faults a test asks for. The hub is `localhost`; large files come from "another host", which is
// the same port by its number.

import CLinux
import COpenSSL
import FoundationEssentials
import Synchronization
import TestTLS
import Testing
import Transport

@testable import Hub

final class FakeHub: Sendable {
  /// What is to go wrong with one request.
  enum Fault: Sendable {
    /// The connection ends after so many bytes of the body.
    case cut(after: Int)
    case answer(status: Int, fields: [String])
    /// The body is another than the one asked for.
    case otherContent
    /// The whole file comes, whatever range was asked for.
    case ignoredRange
    case longerContent
  }

  struct Request: Sendable {
    var method: String
    var target: String
    var fields: [String: String]

    var line: String { "\(method) \(target)" }
  }

  struct Content: Sendable {
    var bytes: [UInt8]
    var isLarge: Bool

    var hash: String {
      let tag = String(repeating: isLarge ? "0" : "1", count: isLarge ? 64 : 40)
      guard let kind = HubDigest(entityTag: tag),
        let hasher = HubHasher(for: kind, byteCount: bytes.count)
      else { return "" }
      hasher.update(bytes)
      return hasher.finish()
    }
  }

  struct State: Sendable {
    var files: [String: Content] = [:]
    var commit = String(repeating: "c0ffee42", count: 5)
    var revisions: Set<String> = ["main"]
    /// What the answer to a request for the list of files is, if not the files.
    var list: String?
    /// Taken by the first request whose line begins so.
    var faults: [(line: String, fault: Fault)] = []
    /// Faults of every request whose line begins so.
    var lastingFaults: [(line: String, fault: Fault)] = []
    var requests: [Request] = []
    var port = 0
  }

  static let name = "org/model"

  let state = Mutex(State())
  let authority: TestAuthorityFile
  private let context: TLSContext
  private let loop: EventLoop

  /// The path of the authority's certificate; keeps it on disk.
  struct TestAuthorityFile: Sendable {
    let path: String
    // SAFETY: never used again, only kept.
    nonisolated(unsafe) let keeper: TestAuthority
  }

  init(
    names: String = "DNS:localhost,IP:127.0.0.1", days: ClosedRange<Int> = -1...100
  ) async throws {
    let authority = try TestAuthority()
    self.authority = TestAuthorityFile(path: authority.file, keeper: authority)
    let issued = try authority.issue(names, days: days)
    context = try TLSContext.server(certificate: issued.certificate, key: issued.key)
    loop = try EventLoop.running(label: "test.hub")
    let local = try await SocketAddress.resolve(host: "127.0.0.1", port: 0)
    let address = try await loop.listen(
      on: local, maximumConnections: 100, options: ConnectionOptions()
    ) { [context, weak self] in HubConnection(context) { self?.answer($0) } }
    let port = Int(address.description.split(separator: ":").last ?? "") ?? 0
    state.withLock { $0.port = port }
  }

  deinit { loop.shutdownSoon() }

  var endpoint: String { "https://localhost:\(state.withLock { $0.port })" }

  func add(_ name: String, _ text: String) {
    state.withLock { $0.files[name] = Content(bytes: Array(text.utf8), isLarge: false) }
  }

  func addLarge(_ name: String, _ bytes: [UInt8]) {
    state.withLock { $0.files[name] = Content(bytes: bytes, isLarge: true) }
  }

  func fail(_ line: String, _ fault: Fault) {
    state.withLock { $0.faults.append((line, fault)) }
  }

  func alwaysFail(_ line: String, _ fault: Fault) {
    state.withLock { $0.lastingFaults.append((line, fault)) }
  }

  /// The requests so far whose line begins so.
  func requests(_ line: String) -> [Request] {
    state.withLock { $0.requests.filter { $0.line.hasPrefix(line) } }
  }

  // MARK: Answers

  struct Answer {
    var status: Int
    var fields: [String] = []
    var body: [UInt8] = []
    /// The connection ends after so many bytes of the body.
    var cut: Int?
  }

  private func answer(_ request: Request) -> Answer {
    state.withLock { state in
      state.requests.append(request)
      var fault = state.lastingFaults.first { request.line.hasPrefix($0.line) }?.fault
      if let index = state.faults.firstIndex(where: { request.line.hasPrefix($0.line) }) {
        fault = state.faults.remove(at: index).fault
      }
      if case .answer(let status, let fields) = fault {
        return Answer(status: status, fields: fields)
      }
      return Self.regularAnswer(request, fault, state)
    }
  }

  private static func regularAnswer(
    _ request: Request, _ fault: Fault?, _ state: State
  ) -> Answer {
    let parts = request.target.prefix { $0 != "?" }.split(separator: "/").map(String.init)
    if parts.starts(with: ["api", "models"]) {
      guard parts.dropFirst(2).prefix(2).joined(separator: "/") == name, parts.count == 6 else {
        return Answer(status: 404, fields: ["X-Error-Code: RepoNotFound"])
      }
      let revision = parts[5].replacing("%2F", with: "/")
      guard state.revisions.contains(revision) || revision == state.commit else {
        return Answer(status: 404, fields: ["X-Error-Code: RevisionNotFound"])
      }
      let siblings = state.files.keys.sorted().map { "{\"rfilename\":\"\($0)\"}" }
      let list =
        state.list
        ?? "{\"id\":\"\(name)\",\"sha\":\"\(state.commit)\",\"siblings\":[\(siblings.joined(separator: ","))]}"
      return Answer(status: 200, body: Array(list.utf8))
    }
    if parts.first == "cdn", let content = state.files.values.first(where: { $0.hash == parts[1] })
    {
      // Names content in another way than the hub does.
      return body(content.bytes, request, fault, fields: ["ETag: \"cdn-\(content.bytes.count)\""])
    }
    guard parts.count > 4, parts[2] == "resolve", parts[3] == state.commit,
      let content = state.files[parts[4...].joined(separator: "/")]
    else { return Answer(status: 404, fields: ["X-Error-Code: EntryNotFound"]) }
    let commit = "X-Repo-Commit: \(state.commit)"
    guard content.isLarge else {
      return body(content.bytes, request, fault, fields: ["ETag: \"\(content.hash)\"", commit])
    }
    return Answer(
      status: 302,
      fields: [
        "Location: https://127.0.0.1:\(state.port)/cdn/\(content.hash)?signature=x", commit,
        "X-Linked-ETag: \"\(content.hash)\"", "X-Linked-Size: \(content.bytes.count)",
      ])
  }

  private static func body(
    _ bytes: [UInt8], _ request: Request, _ fault: Fault?, fields: [String]
  ) -> Answer {
    var answer = Answer(status: 200, fields: fields + ["Accept-Ranges: bytes"], body: bytes)
    if let range = request.fields["range"], let start = Int(range.dropFirst(6).dropLast()) {
      if case .ignoredRange = fault {
      } else {
        answer.status = 206
        answer.body = Array(bytes[start...])
        answer.fields.append("Content-Range: bytes \(start)-\(bytes.count - 1)/\(bytes.count)")
      }
    }
    switch fault {
    case .cut(let count): answer.cut = count
    case .otherContent: answer.body = answer.body.map { $0 ^ 1 }
    case .longerContent: answer.body += [0]
    default: break
    }
    return answer
  }
}

/// Reads one request and answers it.
private final class HubConnection: ConnectionHandler {
  private let context: TLSContext
  private let answer: (FakeHub.Request) -> FakeHub.Answer?
  private var received: [UInt8] = []

  init(_ context: TLSContext, answer: @escaping (FakeHub.Request) -> FakeHub.Answer?) {
    self.context = context
    self.answer = answer
  }

  func opened(_ connection: Connection, on loop: isolated EventLoop) {
    try? connection.startTLS(context, host: nil, on: loop)
  }

  func received(
    _ bytes: UnsafeRawBufferPointer, from connection: Connection, on loop: isolated EventLoop
  ) {
    received.append(contentsOf: bytes)
    let text = String(decoding: received, as: UTF8.self)
    guard text.hasSuffix("\r\n\r\n") else { return }
    let lines = text.split(separator: "\r\n")
    let words = lines[0].split(separator: " ")
    var fields: [String: String] = [:]
    for line in lines.dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1)
      fields[parts[0].lowercased()] = String(parts[1].dropFirst())
    }
    let request = FakeHub.Request(
      method: String(words[0]), target: String(words[1]), fields: fields)
    guard let answer = answer(request) else { return connection.close(on: loop) }
    var head = "HTTP/1.1 \(answer.status) X\r\nContent-Length: \(answer.body.count)\r\n"
    for field in answer.fields { head += field + "\r\n" }
    let body = request.method == "HEAD" ? [] : answer.body
    connection.write(Array((head + "\r\n").utf8) + body.prefix(answer.cut ?? .max), on: loop)
    connection.finish(on: loop)
  }

  func hungUp(_ connection: Connection, on loop: isolated EventLoop) {}
  func ended(_ connection: Connection, on loop: isolated EventLoop) { connection.finish(on: loop) }
  func deadlinePassed(_ connection: Connection, on loop: isolated EventLoop) {}
  func closed(_ connection: Connection, on loop: isolated EventLoop) {}
}

/// Pulls from a fake hub into a cache of its own, with pauses that take no time.
final class PullBench: Sendable {
  let hub: FakeHub
  let home: String
  private let pauses = Mutex<[Duration]>([])
  private let lines = Mutex<[String]>([])

  init(_ hub: FakeHub) {
    self.hub = hub
    home =
      FileManager.default.temporaryDirectory
      .appending(path: "martlet-hub-\(UUID().uuidString)").path
  }

  deinit { try? FileManager.default.removeItem(atPath: home) }

  var cache: String { home + "/hub" }
  var repository: CachedRepository { CachedRepository(cache: cache, name: FakeHub.name) }
  /// What was slept, in seconds.
  var sleptSeconds: [Int] { pauses.withLock { $0.map { Int($0.components.seconds) } } }
  var notes: [String] { lines.withLock { $0 } }

  func settings(_ environment: [String: String] = [:]) throws -> HubSettings {
    var settings = try HubSettings(
      HubSettings.Flags(),
      environment: ["HF_HOME": home, "HF_ENDPOINT": hub.endpoint].merging(environment) { $1 })
    settings.http.trust = .file(hub.authority.path)
    return settings
  }

  func pull(
    _ model: String = FakeHub.name, selection: FileSelection = FileSelection(),
    environment: [String: String] = [:], attempts: Int = 5,
    availableBytes: @escaping @Sendable (String) -> Int? = { _ in nil },
    onPause: @escaping @Sendable () -> Void = {},
    progress: @escaping @Sendable (PullProgress) -> Void = { _ in }
  ) async throws -> PulledModel {
    var retries = RetryPolicy()
    retries.attempts = attempts
    retries.sleep = { [self] pause in
      pauses.withLock { $0.append(pause) }
      onPause()
    }
    retries.note = { [self] line in lines.withLock { $0.append(line) } }
    return try await ModelPull(
      ModelReference(model), selection: selection, settings: settings(environment),
      retries: retries, availableBytes: availableBytes, progress: progress
    ).run()
  }

  /// The failure of a pull that can't succeed, as it is told.
  func failure(
    _ model: String = FakeHub.name, selection: FileSelection = FileSelection(),
    environment: [String: String] = [:], attempts: Int = 5,
    availableBytes: @escaping @Sendable (String) -> Int? = { _ in nil }
  ) async throws -> String {
    do {
      _ = try await pull(
        model, selection: selection, environment: environment, attempts: attempts,
        availableBytes: availableBytes)
      return "no failure"
    } catch let error as HubError {
      return "\(error)"
    }
  }

  func text(_ path: String) -> String? { try? String(contentsOfFile: path, encoding: .utf8) }
  func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
}

/// A model of a few files; the weights are large ones, which come from the other host.
func modelHub() async throws -> FakeHub {
  let hub = try await FakeHub()
  fill(hub)
  return hub
}

func fill(_ hub: FakeHub) {
  hub.add("config.json", #"{"model_type": "llama"}"#)
  hub.add("tokenizer.json", #"{"你好": 1}"#)
  hub.add("1_Pooling/config.json", "{}")
  hub.add("README.md", "# A model")
  hub.add("modeling.py", "print()")
  hub.add("empty.model", "")
  hub.addLarge("model.safetensors", weights)
  hub.addLarge("pytorch_model.bin", [1, 2, 3])
  hub.addLarge("onnx/model.onnx", [4, 5, 6])
}

let weights = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) }
