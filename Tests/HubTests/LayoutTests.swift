// The cache is the one that huggingface_hub writes, entry for entry: each finds what the other has fetched.
// The fixture is from scripts/fixtures/hub_cache.py, whose --check has huggingface_hub read ours.

import FoundationEssentials
import JSON
import Testing

@testable import Hub

@Suite(.timeLimit(.minutes(1))) struct LayoutTests {
  private struct Fixture: Decodable {
    struct File: Decodable {
      var name: String
      var content: String
      var large: Bool

      var bytes: [UInt8] { Data(base64Encoded: content).map { Array($0) } ?? [] }
    }

    struct Entry: Decodable, Hashable {
      var path: String
      var link: String?
      var content: String?
    }

    var name: String
    var commit: String
    var revisions: [String]
    var files: [File]
    var layout: [Entry]
  }

  private static func fixture() throws -> Fixture {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    let data = try Data(contentsOf: folder.appending(path: "Fixtures/hub/layout.json"))
    return try JSONDecoder().decode(Fixture.self, from: data)
  }

  @Test func writesWhatHuggingFaceWrites() async throws {
    let fixture = try Self.fixture()
    let hub = try await FakeHub()
    hub.state.withLock { state in
      state.commit = fixture.commit
      state.revisions = Set(fixture.revisions)
      for file in fixture.files {
        state.files[file.name] = FakeHub.Content(bytes: file.bytes, isLarge: file.large)
      }
    }
    let bench = PullBench(hub)
    for revision in fixture.revisions { _ = try await bench.pull("\(fixture.name)@\(revision)") }
    #expect(Set(try Self.entries(bench.cache)) == Set(fixture.layout))
  }

  @Test func readsWhatHuggingFaceWrites() throws {
    let fixture = try Self.fixture()
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "martlet-layout-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    for entry in fixture.layout {
      let path = folder.appending(path: entry.path)
      try FileManager.default.createDirectory(
        at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
      if let link = entry.link {
        try FileManager.default.createSymbolicLink(atPath: path.path, withDestinationPath: link)
      } else {
        try Data(base64Encoded: entry.content ?? "")?.write(to: path)
      }
    }
    let cache = HubCache(directory: folder.path)
    for revision in fixture.revisions {
      let reference = try ModelReference("\(fixture.name)@\(revision)")
      let path = try #require(try cache.path(of: reference))
      #expect(CachedRepository.files(in: path) == fixture.files.map(\.name).sorted())
      for file in fixture.files {
        #expect(try Data(contentsOf: URL(filePath: "\(path)/\(file.name)")) == Data(file.bytes))
      }
    }
  }

  private static func entries(_ cache: String) throws -> [Fixture.Entry] {
    let manager = FileManager.default
    return try manager.subpathsOfDirectory(atPath: cache).compactMap { name in
      let path = "\(cache)/\(name)"
      if let link = try? manager.destinationOfSymbolicLink(atPath: path) {
        return Fixture.Entry(path: name, link: link)
      }
      var isFolder = false
      guard manager.fileExists(atPath: path, isDirectory: &isFolder), !isFolder else { return nil }
      let content = try Data(contentsOf: URL(filePath: path))
      return Fixture.Entry(path: name, content: content.base64EncodedString())
    }
  }
}
