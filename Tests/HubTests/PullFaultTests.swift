// What goes wrong between here and the hub, and what is left of it.

import FoundationEssentials
import Testing

@testable import Hub

@Suite(.timeLimit(.minutes(2))) struct PullFaultTests {
  private var hash: String { FakeHub.Content(bytes: weights, isLarge: true).hash }

  private func fetchedWeights(_ pulled: PulledModel) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(filePath: pulled.path + "/model.safetensors")))
  }

  @Test func goesOnAfterACut() async throws {
    let bench = PullBench(try await modelHub())
    bench.hub.fail("GET /cdn/", .cut(after: 100_000))
    bench.hub.fail("GET /cdn/", .cut(after: 0))
    let pulled = try await bench.pull()
    #expect(try fetchedWeights(pulled) == weights)
    let ranges = bench.hub.requests("GET /cdn/").map { $0.fields["range"] }
    #expect(ranges == [nil, "bytes=100000-", "bytes=100000-"])
    #expect(bench.sleptSeconds == [1, 2])
    #expect(bench.hub.requests("GET /cdn/").allSatisfy { $0.fields["if-range"] == nil })
  }

  /// What got further is no failed try.
  @Test func survivesManyCuts() async throws {
    let bench = PullBench(try await modelHub())
    for _ in 0..<20 { bench.hub.fail("GET /cdn/", .cut(after: 10_000)) }
    #expect(try fetchedWeights(try await bench.pull()) == weights)
    #expect(bench.sleptSeconds == Array(repeating: 1, count: 20))
  }

  @Test func aLaterPullGoesOn() async throws {
    let bench = PullBench(try await modelHub())
    bench.hub.fail("GET /cdn/", .cut(after: 123_456))
    let commit = bench.hub.state.withLock { $0.commit }
    bench.hub.fail("GET /org/model/resolve/\(commit)/config.json", .cut(after: 5))
    // The first small file and the weights are cut, each in a pull of its own.
    for _ in 0..<2 {
      #expect(try await bench.failure(attempts: 1).contains("cut short"))
      #expect(!bench.exists(bench.repository.reference("main")))
    }
    #expect(bench.exists(bench.repository.partialBlob(hash)))
    #expect(try fetchedWeights(try await bench.pull()) == weights)
    #expect(!bench.exists(bench.repository.partialBlob(hash)))
    #expect(bench.hub.requests("GET /cdn/").last?.fields["range"] == "bytes=123456-")
    let small = bench.hub.requests("GET /org/model/resolve/").compactMap { $0.fields["if-range"] }
    #expect(small.contains { $0.count == 42 }, "the hub's own files are named by their hash")
  }

  @Test func beginsAnewWhereRangesAreNotSupported() async throws {
    let bench = PullBench(try await modelHub())
    bench.hub.fail("GET /cdn/", .cut(after: 1000))
    bench.hub.fail("GET /cdn/", .ignoredRange)
    #expect(try fetchedWeights(try await bench.pull()) == weights)
    #expect(bench.hub.requests("GET /cdn/").count == 2)
  }

  @Test func beginsAnewWhereTheRangeIsRefused() async throws {
    let bench = PullBench(try await modelHub())
    bench.hub.fail("GET /cdn/", .cut(after: 1000))
    bench.hub.fail("GET /cdn/", .answer(status: 416, fields: []))
    #expect(try fetchedWeights(try await bench.pull()) == weights)
    #expect(
      bench.hub.requests("GET /cdn/").map { $0.fields["range"] } == [nil, "bytes=1000-", nil])
  }

  @Test func refusesRangesNobodyAskedFor() async throws {
    let bench = PullBench(try await modelHub())
    bench.hub.fail(
      "GET /cdn/", .answer(status: 206, fields: ["Content-Range: bytes 5-9/300000"]))
    #expect(try fetchedWeights(try await bench.pull()) == weights)
  }

  @Test(arguments: [0, 1000, 400_000])
  func neverBelievesWhatIsThere(_ count: Int) async throws {
    let bench = PullBench(try await modelHub())
    let partial = bench.repository.partialBlob(hash)
    try FileManager.default.createDirectory(
      atPath: bench.repository.folder + "/blobs", withIntermediateDirectories: true)
    try Data(repeating: 7, count: count).write(to: URL(filePath: partial))
    #expect(try fetchedWeights(try await bench.pull()) == weights)
  }

  @Test func triesDamagedFilesOnceMore() async throws {
    let bench = PullBench(try await modelHub())
    bench.hub.fail("GET /cdn/", .otherContent)
    #expect(try fetchedWeights(try await bench.pull()) == weights)
  }

  @Test(arguments: ["GET /cdn/", "GET /org/model/resolve/"])
  func keepsNothingOfAWrongFile(_ line: String) async throws {
    let bench = PullBench(try await modelHub())
    bench.hub.alwaysFail(line, .otherContent)
    let failure = try await bench.failure()
    #expect(failure.contains("other content than the hub announces"))
    let names = try FileManager.default.contentsOfDirectory(
      atPath: bench.repository.folder + "/blobs")
    #expect(!names.contains(hash) && !names.contains { $0.hasSuffix(".incomplete") })
    #expect(!bench.exists(bench.repository.reference("main")))
  }

  @Test func stopsWhereMoreComesThanAnnounced() async throws {
    let bench = PullBench(try await modelHub())
    bench.hub.alwaysFail("GET /cdn/", .longerContent)
    #expect(try await bench.failure().contains("longer than the file's 300000 bytes"))
  }

  @Test func doesAsRetryAfterSays() async throws {
    let bench = PullBench(try await modelHub())
    bench.hub.fail("GET /api/", .answer(status: 429, fields: ["Retry-After: 7"]))
    bench.hub.fail("GET /cdn/", .answer(status: 503, fields: ["Retry-After: 0"]))
    bench.hub.fail("HEAD /org/model/resolve/", .answer(status: 500, fields: []))
    _ = try await bench.pull()
    #expect(Set(bench.sleptSeconds) == [7, 1, 0])
    #expect(bench.notes.contains { $0.contains("(429)") && $0.contains("trying again in 7 s") })
  }

  @Test func givesUpInTheEnd() async throws {
    let bench = PullBench(try await modelHub())
    bench.hub.alwaysFail("GET /api/", .answer(status: 502, fields: []))
    #expect(try await bench.failure().contains("can't answer for now (502)"))
    #expect(bench.sleptSeconds == [1, 2, 4, 8])
    let patient = PullBench(try await modelHub())
    patient.hub.alwaysFail("GET /api/", .answer(status: 429, fields: ["Retry-After: 3600"]))
    #expect(try await patient.failure().contains("try again in 3600 s"))
    #expect(patient.sleptSeconds.isEmpty)
  }

  @Test(arguments: [
    (401, ["X-Error-Code: RepoNotFound"], "there is no model 'org/model', or it is private: check"),
    (404, [], "there is no model 'org/model'"),
    (403, ["X-Error-Code: GatedRepo"], "/org/model, then give an access token in HF_TOKEN"),
    (401, ["X-Error-Message: Invalid credentials in Authorization header"], "wrong or has expired"),
    (403, ["X-Error-Message: Access to this resource is disabled."], "resource is disabled"),
    (404, ["X-Error-Code: RevisionNotFound"], "has no revision 'main'"),
    (418, ["X-Error-Message: short and stout"], "status 418: short and stout"),
  ])
  func saysWhatARefusalMeans(_ status: Int, _ fields: [String], _ text: String) async throws {
    let bench = PullBench(try await modelHub())
    bench.hub.alwaysFail("GET /api/", .answer(status: status, fields: fields))
    let failure = try await bench.failure()
    #expect(failure.contains(text), "\(failure)")
    #expect(bench.sleptSeconds.isEmpty && !bench.exists(bench.cache))
  }

  @Test func saysThatATokenIsNotEnough() async throws {
    let bench = PullBench(try await modelHub())
    bench.hub.alwaysFail(
      "HEAD /org", .answer(status: 403, fields: ["X-Error-Code: GatedRepo"]))
    let failure = try await bench.failure(environment: ["HF_TOKEN": "hf_x"])
    #expect(failure.contains("with the account that your token belongs to"))
  }

  @Test(arguments: [
    ("DNS:localhost,IP:127.0.0.1", -9 ... -1, "localhost", "expired"),
    ("DNS:hub.example", -1...9, "localhost", "another host"),
    ("DNS:localhost", -1...9, "127.0.0.1", "another host"),
  ])
  func refusesCertificates(
    _ names: String, _ days: ClosedRange<Int>, _ host: String, _ reason: String
  ) async throws {
    let hub = try await FakeHub(names: names, days: days)
    fill(hub)
    let bench = PullBench(hub)
    let failure = try await bench.failure(environment: ["HF_TOKEN": "hf_secret"])
    #expect(
      failure.contains("the certificate of \(host)") && failure.contains(reason), "\(failure)")
    #expect(bench.sleptSeconds.isEmpty, "it won't get better")
  }

  @Test(arguments: [
    ("../evil", "'../evil'"), ("/etc/passwd", "'/etc/passwd'"), ("a//b", "'a//b'"),
    ("a/./b", "'a/./b'"), (#"a\u0000b"#, "refused"), ("", "''"), (".", "'.'"),
  ])
  func refusesNamesOutsideOfTheFolder(_ name: String, _ text: String) async throws {
    let bench = PullBench(try await modelHub())
    bench.hub.state.withLock { state in
      state.list = #"{"sha":"\#(state.commit)","siblings":[{"rfilename":"\#(name)"}]}"#
    }
    let failure = try await bench.failure()
    #expect(failure.contains(text) && failure.contains("refused"))
    #expect(!bench.exists(bench.cache))
  }

  @Test(arguments: [
    ("<html>", "not JSON"), ("{}", "'sha' is no commit"),
    (#"{"sha":"../../x","siblings":[]}"#, "'sha' is no commit"),
    (#"{"sha":"c0ffee42c0ffee42c0ffee42c0ffee42c0ffee42"}"#, "'siblings' is no list"),
    (#"{"sha":"c0ffee42c0ffee42c0ffee42c0ffee42c0ffee42","siblings":[{}]}"#, "without a name"),
  ])
  func refusesListsThatMakeNoSense(_ list: String, _ text: String) async throws {
    let bench = PullBench(try await modelHub())
    bench.hub.state.withLock { $0.list = list }
    #expect(try await bench.failure().contains(text))
  }

  @Test(arguments: [
    (["ETag: \"abc\"", "Content-Length: 1"], "nothing can be checked"),
    (["X-Linked-ETag: \"../../../../x\"", "X-Linked-Size: 5"], "nothing can be checked"),
    (["X-Repo-Commit: \(String(repeating: "d", count: 40))"], "it is from commit ddd"),
  ])
  func refusesFilesThatCannotBeChecked(_ fields: [String], _ text: String) async throws {
    let bench = PullBench(try await modelHub())
    bench.hub.alwaysFail("HEAD /org", .answer(status: 200, fields: fields))
    #expect(try await bench.failure().contains(text))
  }

  @Test(arguments: [
    ("http://127.0.0.1/x", "from https to http"), ("ftp://x", "leads elsewhere"),
    ("/api/models/org/model/revision/main", "without end"),
  ])
  func refusesRedirects(_ target: String, _ text: String) async throws {
    let bench = PullBench(try await modelHub())
    bench.hub.alwaysFail("GET /api/", .answer(status: 307, fields: ["Location: \(target)"]))
    #expect(try await bench.failure().contains(text))
  }

  @Test func followsModelsThatHaveMoved() async throws {
    let bench = PullBench(try await modelHub())
    let commit = bench.hub.state.withLock { $0.commit }
    bench.hub.fail(
      "GET /api/",
      .answer(status: 307, fields: ["Location: /api/models/org/model/revision/\(commit)"]))
    #expect(try await bench.pull().commit == commit)
  }

  @Test func looksForRoomFirst() async throws {
    let bench = PullBench(try await modelHub())
    let failure = try await bench.failure(availableBytes: { _ in 299_999 })
    #expect(failure.contains("1 MB free and 1 MB are needed") && failure.contains("HF_HUB_CACHE"))
    #expect(bench.hub.requests("GET /cdn/").isEmpty)
    _ = try await bench.pull(availableBytes: { _ in 400_000 })
    // Nothing is missing any more.
    _ = try await bench.pull(availableBytes: { _ in 0 })
    #expect((ModelPull.availableBytes(FileManager.default.temporaryDirectory.path) ?? 0) > 0)
  }
}
