// Pulls that succeed: what is fetched, where it ends up, and that nothing is fetched twice.

import FoundationEssentials
import Synchronization
import Testing

@testable import Hub

@Suite(.timeLimit(.minutes(2))) struct PullTests {
  @Test func bringsAModelIntoTheCache() async throws {
    let bench = PullBench(try await modelHub())
    let shares = Mutex<[Double]>([])
    let pulled = try await bench.pull(progress: { progress in
      shares.withLock { $0.append(progress.share) }
    })
    let commit = bench.hub.state.withLock { $0.commit }
    #expect(
      pulled.files == [
        "1_Pooling/config.json", "config.json", "empty.model", "model.safetensors",
        "tokenizer.json",
      ])
    #expect(pulled.commit == commit && pulled.path == bench.repository.snapshot(commit))
    #expect(CachedRepository.files(in: pulled.path) == pulled.files)
    #expect(bench.text(bench.repository.reference("main")) == commit)
    #expect(bench.text(pulled.path + "/tokenizer.json") == #"{"你好": 1}"#)
    let fetched = try Data(contentsOf: URL(filePath: pulled.path + "/model.safetensors"))
    #expect(Array(fetched) == weights)
    let link = try FileManager.default.destinationOfSymbolicLink(
      atPath: pulled.path + "/1_Pooling/config.json")
    #expect(link.hasPrefix("../../../blobs/"))
    let seen = shares.withLock { $0 }
    #expect(seen == seen.sorted() && seen.last == 1)
  }

  @Test func fetchesNothingTwice() async throws {
    let bench = PullBench(try await modelHub())
    let first = try await bench.pull()
    let count = bench.hub.requests("").count
    let second = try await bench.pull()
    #expect(second.path == first.path && second.byteCount == first.byteCount)
    #expect(bench.hub.requests("").count == count + 1, "only the list of files")
    // Another commit with the same weights and another configuration.
    bench.hub.state.withLock { $0.commit = String(repeating: "ab", count: 20) }
    bench.hub.add("config.json", "{}")
    let third = try await bench.pull()
    #expect(third.path != first.path)
    #expect(bench.hub.requests("GET /cdn/").count == 1)
    #expect(bench.text(first.path + "/config.json") == #"{"model_type": "llama"}"#)
    #expect(bench.text(third.path + "/config.json") == "{}")
    #expect(bench.text(bench.repository.reference("main")) == third.commit)
  }

  @Test func givesTheTokenToTheHubAlone() async throws {
    let bench = PullBench(try await modelHub())
    _ = try await bench.pull(environment: ["HF_TOKEN": "hf_secret"])
    let (hub, other) = (bench.hub.requests("GET /org"), bench.hub.requests("GET /cdn"))
    // Four, since nobody needs to be asked for the content of an empty file.
    #expect(hub.count == 4 && hub.allSatisfy { $0.fields["authorization"] == "Bearer hf_secret" })
    #expect(other.count == 1 && other.allSatisfy { $0.fields["authorization"] == nil })
    #expect(hub.allSatisfy { $0.fields["accept-encoding"] == "identity" })
  }

  @Test func keepsRevisionsApart() async throws {
    let bench = PullBench(try await modelHub())
    bench.hub.state.withLock { _ = $0.revisions.insert("refs/pr/7") }
    let pulled = try await bench.pull("org/model@refs/pr/7")
    #expect(bench.text(bench.repository.reference("refs/pr/7")) == pulled.commit)
    #expect(!bench.exists(bench.repository.reference("main")))
    let byCommit = try await bench.pull("org/model@\(pulled.commit)")
    #expect(byCommit.path == pulled.path)
    #expect(!bench.exists(bench.repository.reference(pulled.commit)))
  }

  @Test func takesAVariantOfGGUF() async throws {
    let hub = try await FakeHub()
    for name in ["m-Q4_K_M.gguf", "m-Q8_0.gguf", "mmproj-m.gguf"] {
      hub.addLarge(name, Array(name.utf8))
    }
    hub.add("config.json", "{}")
    let bench = PullBench(hub)
    for (model, file) in [("org/model", "m-Q4_K_M.gguf"), ("org/model:q8_0", "m-Q8_0.gguf")] {
      let pulled = try await bench.pull(model)
      #expect(
        pulled.files == [file] && pulled.path.hasSuffix("/snapshots/\(pulled.commit)/\(file)"))
      // Now found without the hub.
      #expect(try await bench.pull(model, environment: ["HF_HUB_OFFLINE": "1"]).path == pulled.path)
    }
    let failure = try await bench.failure("org/model:Q5_0")
    #expect(failure.contains("no variant 'Q5_0'") && failure.contains("Q4_K_M, Q8_0"))
  }

  @Test func heedsIncludeAndExclude() async throws {
    let bench = PullBench(try await modelHub())
    let selection = FileSelection(include: ["*.md", "onnx/"], exclude: ["*.onnx"])
    #expect(try await bench.pull(selection: selection).files == ["README.md"])
    #expect(try await bench.pull(selection: FileSelection(exclude: ["1_*"])).files.count == 4)
    #expect(
      try await bench.failure(selection: FileSelection(include: ["*.xyz"]))
        .contains("no file of org/model matches"))
  }

  @Test func staysOfflineWhenTold() async throws {
    let bench = PullBench(try await modelHub())
    let offline = ["HF_HUB_OFFLINE": "1"]
    let failure = try await bench.failure(environment: offline)
    #expect(failure.contains("'martlet pull org/model' fetches it"))
    #expect(bench.hub.requests("").isEmpty)
    let pulled = try await bench.pull()
    let count = bench.hub.requests("").count
    #expect(try await bench.pull(environment: offline).path == pulled.path)
    #expect(bench.hub.requests("").count == count)
  }

  /// A cache that was tidied up has links that lead nowhere.
  @Test func replacesLinksToNowhere() async throws {
    let bench = PullBench(try await modelHub())
    let pulled = try await bench.pull()
    try FileManager.default.removeItem(atPath: bench.repository.folder + "/blobs")
    let again = try await bench.pull()
    #expect(bench.text(again.path + "/config.json") == #"{"model_type": "llama"}"#)
    #expect(again.path == pulled.path)
  }

  @Test func waitsForAnotherPull() async throws {
    let bench = PullBench(try await modelHub())
    let hash = bench.hub.state.withLock { $0.files["config.json"]?.hash } ?? ""
    let path = bench.repository.lock(hash)
    try FileManager.default.createDirectory(
      atPath: String(path.dropLast(hash.count + ".lock".count)), withIntermediateDirectories: true)
    let lock = Mutex<BlobLock?>(try BlobLock(path: path))
    let isHeld = lock.withLock { $0 != nil }
    #expect(isHeld)
    _ = try await bench.pull(onPause: {
      lock.withLock { held in
        held?.release()
        held = nil
      }
    })
    #expect(bench.sleptSeconds == [1])
    #expect(bench.notes == ["waiting for another process that fetches config.json"])
  }
}
