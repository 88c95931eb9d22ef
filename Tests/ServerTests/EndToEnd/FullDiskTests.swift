// A data folder on a disk that fills up. Needs root, to mount a disk of a few megabytes in memory.

import Foundation
import JSON
import Retrieval
import Testing

@testable import Server

/// A file system in memory, unmounted with the last reference to it.
final class SmallDisk {
  let path: String
  private var filler: String { path + "/filler" }

  init?(megabytes: Int) {
    path = TestServer.temporaryFolder()
    try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    guard Self.run("mount", ["-t", "tmpfs", "-o", "size=\(megabytes)m", "tmpfs", path]) else {
      return nil
    }
  }

  deinit { _ = Self.run("umount", ["--lazy", path]) }

  static let isPossible = SmallDisk(megabytes: 1) != nil

  /// Takes all that is left.
  func fill() {
    _ = FileManager.default.createFile(atPath: filler, contents: nil)
    guard let file = FileHandle(forWritingAtPath: filler) else { return }
    for size in [1 << 16, 1 << 12] {
      while (try? file.write(contentsOf: Data(count: size))) != nil {}
    }
    try? file.close()
  }

  func free() { try? FileManager.default.removeItem(atPath: filler) }

  func remount(readOnly: Bool) -> Bool {
    Self.run("mount", ["-o", "remount,\(readOnly ? "ro" : "rw")", path])
  }

  /// Whether the program ended well.
  static func run(_ command: String, _ arguments: [String]) -> Bool {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [command] + arguments
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return false }
    process.waitUntilExit()
    return process.terminationStatus == 0
  }
}

@Suite(
  .enabled(if: TestServer.hasEmbeddingModel, "needs an embedding model"),
  .enabled(if: SmallDisk.isPossible, "needs root, to mount a disk"))
struct FullDiskTests {
  /// Writes are refused, reads are answered, and with room again all is as before, without a restart.
  @Test func aFullDiskIsSaidAndRecoveredFrom() async throws {
    let disk = try #require(SmallDisk(megabytes: 8))
    let server = try await TestServer.start {
      $0.data = disk.path + "/data"
      $0.model = "none"
    }
    let path = "/collections/default/documents"
    #expect(try await server.post(path, ["id": "kept", "text": "A kept river."]).status == 200)
    disk.fill()
    let long = String(repeating: "Words that find no room. ", count: 2000)
    for _ in 0..<2 {
      let refused = try await server.post(path, ["id": "new", "text": .string(long)])
      #expect(refused.status == 507 && refused.errorCode == "disk_full", "\(refused.text)")
      #expect(refused.errorMessage.contains("free some space"))
    }
    let job = try await server.post(path + "?wait=false", ["id": "new", "text": .string(long)])
    #expect(job.status == 507 || job.status == 202)
    if let id = job.json["id"]?.string {
      _ = try await server.get("/jobs/\(id)/events")
      #expect(try await server.get("/jobs/\(id)").json["error"]?["code"] == "disk_full")
    }
    #expect(try await server.get(path + "/kept").json["text"] == "A kept river.")
    #expect(try await server.get("/health").status == 200)
    for mode in ["sparse", "dense", "hybrid"] {
      let found = try await server.post("/retrieve", ["query": "river", "mode": .string(mode)])
      #expect(found.json["results"]?[0]?["document_id"] == "kept")
    }
    disk.free()
    #expect(try await server.post(path, ["id": "new", "text": .string(long)]).status == 200)
    let found = try await server.post("/retrieve", ["query": "room", "mode": "sparse"])
    #expect(found.json["results"]?[0]?["document_id"] == "new")
    #expect(try await server.get("/collections/default").json["documents"] == 2)
    await server.server.stop()
  }

  /// Nothing of a full disk keeps a server from ending, and the next start finds everything.
  @Test func aServerEndsAndStartsOnAFullDisk() async throws {
    let disk = try #require(SmallDisk(megabytes: 8))
    func open() async throws -> TestServer {
      try await TestServer.start {
        $0.data = disk.path + "/data"
        $0.model = "none"
      }
    }
    let first = try await open()
    let stored = try await first.post(
      "/collections/default/documents", ["id": "kept", "text": "A kept river."])
    #expect(stored.status == 200)
    disk.fill()
    await first.server.stop()
    // SQLite needs a page of shared memory beside the log: there is room for it or it says why not.
    do {
      let second = try await open()
      #expect(try await second.get("/collections/default").json["documents"] == 1)
      await second.server.stop()
    } catch let failure as StartupFailure {
      #expect(failure.message.contains("full"))
    }
    disk.free()
    let third = try await open()
    #expect(try await third.get("/collections/default").json["documents"] == 1)
    await third.server.stop()
  }
}

struct StorageErrorTests {
  @Test func whatADiskDoesHasItsStatus() throws {
    let expected: [(RetrievalError, Int, Int?)] = [
      (.diskFull(path: "/d"), 507, nil), (.databaseReadOnly(path: "/d"), 503, nil),
      (.databaseLocked(path: "/d"), 503, 1),
      (.storageFailure(path: "/d", message: "broken"), 500, nil),
      (.databaseCorrupt(path: "/d", message: "broken"), 500, nil),
    ]
    for (error, status, seconds) in expected {
      let answer = try #require(APIError(error))
      #expect(answer.status == status && answer.code == error.code)
      #expect(answer.retryAfterSeconds == seconds)
      // The same request would fail again, unless it was a lock.
      #expect(answer.shouldRetry == (seconds == nil ? false : nil))
    }
  }
}
