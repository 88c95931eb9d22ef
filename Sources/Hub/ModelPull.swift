// `martlet pull`: brings a model's files from the hub into the cache. An actor on a queue of its own,
// because it reads and writes files. Whatever ends it, the next pull of the same model goes on from where
// it was; a revision's name points to a commit only when all of its files are there.

import FoundationEssentials
import Glibc
import HTTP
import Transport

package struct PullProgress: Sendable {
  package var fetchedBytes: Int
  package var totalBytes: Int

  /// From 0 to 1.
  package var share: Double {
    totalBytes == 0 ? 1 : Double(fetchedBytes) / Double(totalBytes)
  }
}

package struct PulledModel: Sendable {
  package var model: String
  package var revision: String
  package var commit: String
  /// What to load: the snapshot's folder, or the GGUF file in it.
  package var path: String
  package var files: [String]
  /// Of all files.
  package var byteCount: Int
}

package actor ModelPull {
  nonisolated let executor = QueueExecutor(label: "martlet.pull")
  package nonisolated var unownedExecutor: UnownedSerialExecutor {
    executor.asUnownedSerialExecutor()
  }

  let reference: ModelReference
  let client: HubClient
  let repository: CachedRepository
  private let settings: HubSettings
  private let selection: FileSelection
  private let progress: @Sendable (PullProgress) -> Void
  /// Bytes that may still be written below a folder; nil where nobody knows.
  private let availableBytes: @Sendable (_ folder: String) -> Int?

  private var totalBytes = 0
  /// Of the files that are there.
  private var finishedBytes = 0

  private static let concurrentRequests = 8

  /// Throws when the system refuses an event loop.
  package init(
    _ reference: ModelReference, selection: FileSelection = FileSelection(),
    settings: HubSettings, retries: RetryPolicy = RetryPolicy(),
    availableBytes: @escaping @Sendable (String) -> Int? = ModelPull.availableBytes,
    progress: @escaping @Sendable (PullProgress) -> Void = { _ in }
  ) throws {
    self.reference = reference
    self.selection = selection
    self.settings = settings
    self.availableBytes = availableBytes
    self.progress = progress
    client = HubClient(
      http: try HTTPClient(settings.http), endpoint: settings.endpoint, token: settings.token,
      retries: retries)
    repository = CachedRepository(cache: settings.cache.directory, name: reference.name)
  }

  /// Throws HubError, or CancellationError.
  package func run() async throws -> PulledModel {
    if settings.isOffline { return try cached() }
    let revision = try await client.revision(reference)
    let names = try selection.files(among: revision.files, of: reference)
    let snapshot = repository.snapshot(revision.commit)
    let missing = names.filter { !FileManager.default.fileExists(atPath: "\(snapshot)/\($0)") }
    let files = try await describe(missing, commit: revision.commit)
    try prepare(files)
    for file in files {
      try await fetch(file, commit: revision.commit)
      finishedBytes += file.byteCount
      try link(file, commit: revision.commit)
    }
    try note(commit: revision.commit)
    progress(PullProgress(fetchedBytes: totalBytes, totalBytes: totalBytes))
    return PulledModel(
      model: reference.name, revision: reference.revision, commit: revision.commit,
      path: path(of: names, in: snapshot), files: names,
      byteCount: names.reduce(0) { $0 + Self.byteCount("\(snapshot)/\($1)") })
  }

  func showProgress(of file: HubFile, _ count: Int) {
    progress(PullProgress(fetchedBytes: finishedBytes + count, totalBytes: totalBytes))
  }

  // MARK: Steps

  private func cached() throws(HubError) -> PulledModel {
    guard let path = try settings.cache.path(of: reference),
      let commit = repository.commit(of: reference.revision)
    else {
      throw .notCached(model: "\(reference)", directory: settings.cache.directory)
    }
    let snapshot = repository.snapshot(commit)
    let files = CachedRepository.files(in: snapshot)
    return PulledModel(
      model: reference.name, revision: reference.revision, commit: commit, path: path,
      files: files, byteCount: files.reduce(0) { $0 + Self.byteCount("\(snapshot)/\($1)") })
  }

  /// Asks for a few files at a time; the result is in the order of the names.
  private func describe(_ names: [String], commit: String) async throws -> [HubFile] {
    let (client, reference) = (client, reference)
    return try await withThrowingTaskGroup(of: (Int, HubFile).self) { group in
      var described: [Int: HubFile] = [:]
      for (index, name) in names.enumerated() {
        if index >= Self.concurrentRequests, let (done, file) = try await group.next() {
          described[done] = file
        }
        group.addTask {
          (index, try await client.describe(name, commit: commit, of: reference))
        }
      }
      for try await (index, file) in group { described[index] = file }
      return names.indices.compactMap { described[$0] }
    }
  }

  /// Makes the folders, and sees to it that everything fits.
  private func prepare(_ files: [HubFile]) throws(HubError) {
    totalBytes = files.reduce(0) { $0 + $1.byteCount }
    guard let first = files.first else { return }
    try Self.makeFolder(of: repository.blob(first.digest.text))
    try Self.makeFolder(of: repository.lock(first.digest.text))
    let needed = Set(files.map(\.digest)).reduce(0) { sum, digest in
      guard let file = files.first(where: { $0.digest == digest }) else { return sum }
      let there = [repository.blob(digest.text), repository.partialBlob(digest.text)]
      return sum + max(0, file.byteCount - (there.map(Self.byteCount).max() ?? 0))
    }
    if let available = availableBytes(repository.folder), available < needed {
      throw .outOfSpace(
        directory: settings.cache.directory, neededBytes: needed, availableBytes: available)
    }
  }

  private func link(_ file: HubFile, commit: String) throws(HubError) {
    let path = "\(repository.snapshot(commit))/\(file.name)"
    try Self.makeFolder(of: path)
    // A link to nowhere, from a cache that was tidied up, is replaced.
    _ = unlink(path)
    let target = CachedRepository.link(from: file.name, to: file.digest.text)
    guard symlink(target, path) == 0 || errno == EEXIST else {
      throw .fileFailure(path: path, code: errno)
    }
  }

  /// Writes down what the revision's name stands for.
  private func note(commit: String) throws(HubError) {
    guard reference.revision != commit, repository.commit(of: reference.revision) != commit else {
      return
    }
    let path = repository.reference(reference.revision)
    try Self.makeFolder(of: path)
    do { try Data(commit.utf8).write(to: URL(filePath: path), options: .atomic) } catch {
      throw .fileFailure(path: path, code: EIO)
    }
  }

  /// A single GGUF file, or the first of its parts; else the folder.
  private func path(of names: [String], in snapshot: String) -> String {
    guard names.allSatisfy(GGUFVariants.isVariant),
      let files = try? GGUFVariants.files(reference.variant, among: names, model: reference.name),
      let first = files.first
    else { return snapshot }
    return "\(snapshot)/\(first)"
  }

  // MARK: Files

  private static func makeFolder(of path: String) throws(HubError) {
    let folder = String(path.prefix(upTo: path.lastIndex(of: "/") ?? path.startIndex))
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw .fileFailure(path: folder, code: errno == 0 ? EACCES : errno)
    }
  }

  /// 0 where there is no such file.
  private static func byteCount(_ path: String) -> Int {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_size : 0
  }

  package static func availableBytes(_ folder: String) -> Int? {
    var status = statvfs()
    guard statvfs(folder, &status) == 0 else { return nil }
    let (bytes, overflow) = UInt(status.f_bavail).multipliedReportingOverflow(
      by: UInt(status.f_frsize))
    return overflow ? nil : Int(clamping: bytes)
  }
}
