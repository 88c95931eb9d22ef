// A data folder on a disk that stops taking writes. Linux refuses to remount a disk read-only while a
// server has files open on it for writing, so what happens in earnest is done here: ext4 that goes
// read-only after an error, which lasts until it is unmounted, and files that are made immutable, which
// can be taken back. Needs root, loop devices and e2fsprogs.

import Foundation
import JSON
import Testing

@testable import Server

/// ext4 in a file, unmounted with the last reference to it.
private final class FileDisk {
  let path: String
  private let image: String

  init?() {
    path = TestServer.temporaryFolder()
    image = path + ".image"
    try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    guard FileManager.default.createFile(atPath: image, contents: nil),
      truncate(image, 32 << 20) == 0, SmallDisk.run("mkfs.ext4", ["-q", "-F", image]), mount(),
      trigger.map({ access($0, W_OK) == 0 }) ?? false
    else { return nil }
  }

  deinit {
    _ = SmallDisk.run("umount", ["--lazy", path])
    unlink(image)
    rmdir(path)
  }

  static let isPossible = FileDisk() != nil

  private func mount() -> Bool {
    SmallDisk.run("mount", ["-o", "loop,errors=remount-ro", image, path])
  }

  /// The file through which ext4 is told that there was an error.
  private var trigger: String? {
    let mounts = (try? String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)) ?? ""
    let fields = mounts.split(separator: "\n").map { $0.split(separator: " ") }
      .last { $0.count > 1 && $0[1] == path }
    return fields.flatMap { $0[0].split(separator: "/").last }
      .map { "/sys/fs/ext4/\($0)/trigger_fs_error" }
  }

  /// Everything that was written is on the disk, which from now on takes nothing.
  func fail() throws {
    sync()
    try Data("test".utf8).write(to: URL(fileURLWithPath: try #require(trigger)))
  }

  /// What whoever keeps the machine does then.
  func repair() {
    #expect(SmallDisk.run("umount", [path]))
    // 1: errors were corrected.
    _ = SmallDisk.run("e2fsck", ["-p", image])
    #expect(mount())
  }

  /// Whether the database and its folder can be changed; its shared memory stays as it is.
  func setImmutable(_ isImmutable: Bool, in data: String) {
    let files = ["", "/martlet.sqlite", "/martlet.sqlite-wal"].map { data + $0 }
    #expect(SmallDisk.run("chattr", [isImmutable ? "+i" : "-i"] + files))
  }
}

@Suite(
  .enabled(if: TestServer.hasEmbeddingModel, "needs an embedding model"),
  .enabled(if: FileDisk.isPossible, "needs root, loop devices and e2fsprogs, to mount a disk"))
struct ReadOnlyDiskTests {
  private let path = "/collections/default/documents"

  private func start(on folder: String) async throws -> TestServer {
    try await TestServer.start {
      $0.data = folder + "/data"
      $0.model = "none"
    }
  }

  /// Every kind of change is refused by its name, and all that reads is answered.
  private func expectReadOnly(_ server: TestServer) async throws {
    let document: JSONValue = ["id": "new", "text": "A new lake."]
    for answer in [
      try await server.post(path, document), try await server.post(path + "?wait=false", document),
      try await server.send(.delete, path + "/kept"),
      try await server.send(.put, "/collections/new"),
    ] {
      #expect(
        answer.status == 503 && answer.errorCode == "database_read_only", "\(answer.text)")
      #expect(answer.errorMessage.contains("mounted read-only"))
    }
    for mode in ["sparse", "dense", "hybrid"] {
      let found = try await server.post("/retrieve", ["query": "river", "mode": .string(mode)])
      #expect(found.json["results"]?[0]?["document_id"] == "kept")
    }
    #expect(try await server.get(path + "/kept").json["text"] == "A kept river.")
    #expect(try await server.get("/health").status == 200)
  }

  @Test func aReadOnlyDiskIsSaidAndRecoveredFrom() async throws {
    let disk = try #require(FileDisk())
    let server = try await start(on: disk.path)
    #expect(try await server.post(path, ["id": "kept", "text": "A kept river."]).status == 200)

    disk.setImmutable(true, in: disk.path + "/data")
    for _ in 0..<2 { try await expectReadOnly(server) }
    disk.setImmutable(false, in: disk.path + "/data")
    // Without a restart.
    #expect(try await server.post(path, ["id": "later", "text": "A later sea."]).status == 200)

    try disk.fail()
    for _ in 0..<2 { try await expectReadOnly(server) }
    await server.server.stop()
    disk.repair()
    let next = try await start(on: disk.path)
    let found = try await next.post("/retrieve", ["query": "sea", "mode": "sparse"])
    #expect(found.json["results"]?[0]?["document_id"] == "later")
    #expect(try await next.get("/collections/default").json["documents"] == 2)
    #expect(try await next.post(path, ["id": "new", "text": "A new lake."]).status == 200)
    await next.server.stop()
  }

  @Test func aServerDoesNotStartOnAReadOnlyDisk() async throws {
    let disk = try #require(SmallDisk(megabytes: 8))
    let first = try await start(on: disk.path)
    #expect(try await first.post(path, ["id": "kept", "text": "A kept river."]).status == 200)
    await first.server.stop()
    #expect(disk.remount(readOnly: true))
    let failure = await #expect(throws: StartupFailure.self) {
      _ = try await start(on: disk.path)
    }
    #expect(failure?.message.contains("read-only") ?? false, "\(String(describing: failure))")
    #expect(disk.remount(readOnly: false))
    let next = try await start(on: disk.path)
    #expect(try await next.get(path + "/kept").status == 200)
    await next.server.stop()
  }
}
